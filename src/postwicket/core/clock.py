"""Time is an argument: seconds since 1970 in UTC, as a float."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The current time; tests bring their own."""

    def __call__(self) -> float:
        """Return now, in seconds since 1970, UTC."""
        ...


def rfc3339(at: float | None) -> str | None:
    """Return a time as people and JSON readers want it.

    >>> rfc3339(1893499200.5)
    '2030-01-01T12:00:00Z'
    """
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
