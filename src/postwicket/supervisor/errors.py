"""Why a server does not start, or does not take a new configuration."""

from __future__ import annotations


class CannotServe(Exception):
    """The operator must act; the message is `what is wrong; what to do`."""
