"""What must survive: accounts, queue, usage, journal; one contract, several keepers of it."""
