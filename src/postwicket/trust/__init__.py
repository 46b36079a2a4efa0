"""One file for each standard by which mail servers trust one another."""
