"""How the pages write times, sizes and ids.

>>> ago(1000.0, 1000.0 + 3 * 3600), octets(35_882_577)
('3 hours ago', '35.9 MB')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from postwicket.core.clock import rfc3339
from postwicket.core.queue_id import spell

from .reading import decoded_field

_STEPS: Final = (
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
)


def moment(at: float) -> str:
    """Return a time as people write it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at: float, now: float) -> str:
    """Return how long ago a time was."""
    seconds = int(now - at)
    for step, word in _STEPS:
        if seconds >= step:
            count = seconds // step
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"


def octets(size: int) -> str:
    """Return a size in decimal units.

    >>> octets(999), octets(4096)
    ('999 bytes', '4.1 kB')
    """
    value, units = float(size), ["GB", "MB", "kB", "bytes"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop()
    return f"{value:.1f} {units[-1]}" if len(units) < 4 else f"{size} bytes"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "ago": ago,
    "decoded": decoded_field,
    "moment": moment,
    "octets": octets,
    "rfc3339": rfc3339,
    "spell": spell,
}
