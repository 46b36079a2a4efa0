"""Pure rules: who may send what, how much, and what a reply means."""
