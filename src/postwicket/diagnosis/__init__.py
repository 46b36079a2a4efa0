"""What failures mean: the catalogue of what servers say, as data, and its loader."""
