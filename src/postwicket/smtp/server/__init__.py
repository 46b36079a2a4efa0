"""The server's half: what a client says to us, read strictly and answered plainly."""
