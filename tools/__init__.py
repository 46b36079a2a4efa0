"""Scripts for those who work on Postwicket: checks, and pages made from the code."""
