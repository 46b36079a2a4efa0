"""Secrets hide themselves: from logs, tracebacks and transcripts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """A string that never prints itself.

    >>> print(Secret("hunter2"), repr(Secret("hunter2")))
    ******** Secret(********)
    """

    _text: str

    def reveal(self) -> str:
        """Return the text.  Search for this name to audit every use."""
        return self._text

    def __str__(self) -> str:
        return "********"

    def __repr__(self) -> str:
        return "Secret(********)"
