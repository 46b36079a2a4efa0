"""The client's half: what we say to another server, and what its answers come to."""
