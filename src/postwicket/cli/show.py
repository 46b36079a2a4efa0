"""Output: one JSON document, or words for people; tables on a terminal, tabs in a pipe.

What strangers wrote (addresses, subjects, replies) never reaches a terminal with its control
characters.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from postwicket.core.clock import rfc3339

if TYPE_CHECKING:  # Rich is for commands that print something
    from rich.console import Console

_COLOURS: Final = {
    "ok": "green",
    "note": "yellow",
    "wrong": "bold red",
    "unknown": "magenta",
    "queued": "cyan",
    "sending": "bold cyan",
    "deferred": "yellow",
    "held": "magenta",
    "uncertain": "yellow",
    "delivered": "green",
    "captured": "green",
    "discarded": "dim",
    "failed": "red",
    "expired": "red",
    "suppressed": "red",
    "cancelled": "dim",
    "complained": "red",
    "unsubscribed": "yellow",
}
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def document(value: object) -> None:
    """Print the one JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def say(text: str) -> None:
    """Print a line for people."""
    sys.stdout.write(clean(text) + "\n")


def hint(text: str) -> None:
    """Print a line beside the answer, on standard error."""
    sys.stderr.write(clean(text) + "\n")


def clean(text: str) -> str:
    r"""Return the text with `?` for control, formatting and surrogate characters.

    >>> clean("a\x1b[31mb\u202ec")
    'a?[31mb?c'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("?" if _unprintable(char) else char for char in text)


def _unprintable(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co"} and char not in "\n\t"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows: aligned and coloured on a terminal, between tabs elsewhere."""
    shown = [[clean(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in ([name.upper() for name in columns], *shown):
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name.upper(), overflow="fold")
    for row in shown:
        made.add_row(*(Text(cell, _COLOURS.get(cell.partition(" ")[0], "")) for cell in row))
    console().print(made)


def console() -> Console:
    """Return the terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False)


def when(at: float | None, now: float) -> str:
    """Return a time as people think of it.

    >>> when(130.0, 100.0), when(100.0, 7400.0), when(None, 0.0)
    ('in 30 s', '2 h ago', '')
    """
    if at is None:
        return ""
    distance = abs(at - now)
    if distance > 7 * 86_400:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    if distance < 1:
        return "now"
    unit, size = next((unit, size) for unit, size in _UNITS if distance >= size)
    count = f"{int(distance / size)} {unit}"
    return f"in {count}" if at > now else f"{count} ago"


def exact(at: float | None) -> str:
    """Return a time to the second, in UTC."""
    return rfc3339(at) or ""


def size(octets: int) -> str:
    """Return a size for people.

    >>> size(512), size(4096), size(35882577)
    ('512 B', '4.0 KiB', '34.2 MiB')
    """
    if octets < 1024:
        return f"{octets} B"
    if octets < 1024**2:
        return f"{octets / 1024:.1f} KiB"
    return f"{octets / 1024**2:.1f} MiB"
