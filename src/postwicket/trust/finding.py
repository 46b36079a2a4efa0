"""One thing that an examination found, with its cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .lookup import Lookup

Level = Literal["ok", "note", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`topic` is a standard's name; `cure` says what to do, "" where all is well.

    note: better otherwise, and mail goes out all the same.  unknown: DNS did not answer.
    """

    topic: str
    level: Level
    text: str
    cure: str = ""


def publish(name: str, kind: str, value: str) -> str:
    """Return the cure of what is missing."""
    return (
        f'publish {name} {kind} "{value}"' if kind == "TXT" else f"publish {name} {kind} {value}"
    )


def unanswered(topic: str, lookup: Lookup[Any]) -> Finding:
    """Return the finding that nobody knows."""
    return Finding(topic, "unknown", str(lookup), "look at the name servers; try again later")
