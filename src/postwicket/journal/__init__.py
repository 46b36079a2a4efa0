"""Readers of the journal: logs."""
