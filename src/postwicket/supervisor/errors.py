"""Why a server does not start, or does not take a new configuration."""

from __future__ import annotations


class CannotServe(Exception):
    """The operator must act; the message is `what is wrong; what to do`.

    >>> str(CannotServe("cannot listen on 127.0.0.1:587: permission denied; start as root"))
    'cannot listen on 127.0.0.1:587: permission denied; start as root'
    """
