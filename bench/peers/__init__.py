"""The servers that are measured: each starts in a temporary folder and is gone afterwards."""
