"""Postwicket: your own smtp.gmail.com, an outgoing-mail server you run yourself."""

__version__ = "0.1.0"
