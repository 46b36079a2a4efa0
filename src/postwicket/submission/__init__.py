"""The way in: listener, session, and the one door."""
