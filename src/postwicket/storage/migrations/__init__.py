"""How older databases become today's: versions are only ever appended."""
