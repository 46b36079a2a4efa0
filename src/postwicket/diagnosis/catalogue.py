"""The catalogue of what servers say: TOML files, one a provider or a subject, read once.

Each entry says how it is recognised (code, enhanced status, phrases, stage), what it means, whose
move it is, and where the words were found; its examples are run as tests.  A file begins with
who speaks (`provider`, `hosts`, `marks`; all absent where anybody may) and the `source` and
`date` of entries that name none.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from postwicket.core.cause import Cause
from postwicket.policy.reading import (
    GAP,
    Catalogue,
    Example,
    Permanence,
    Provider,
    Reading,
    Sign,
    Status,
    Who,
    normalised,
)
from postwicket.policy.scope import Scope
from postwicket.smtp.client.answer import Stage

FOLDER: Final = Path(__file__).with_name("entries")
SHORTEST_PHRASE: Final = 4  # characters: less is found in everything
_STATUS: Final = re.compile(r"([*45])\.(\d{1,3})\.(\d{1,3})(?:-(\d{1,3}))?")
_FILE_KEYS: Final = frozenset(
    {"provider", "name", "hosts", "marks", "source", "date", "stage", "entry"}
)
_ENTRY_KEYS: Final = frozenset(
    {
        "id", "codes", "enhanced", "phrases", "stages", "cause", "permanence", "who", "meaning",
        "fix", "scope", "slow_down", "pause", "grey", "vague", "source", "date", "examples",
    }
)  # fmt: skip


class BadEntry(Exception):
    """An entry of the catalogue is wrong; the message names file and entry."""


@cache
def catalogue() -> Catalogue:
    """Return the shipped catalogue; raise BadEntry."""
    return read_catalogue(FOLDER)


def read_catalogue(folder: Path) -> Catalogue:
    """Read every file of a folder; raise BadEntry where one says what it must not."""
    readings: list[Reading] = []
    providers: list[Provider] = []
    for path in sorted(folder.glob("*.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        if unknown := data.keys() - _FILE_KEYS:
            raise BadEntry(f"{path.name}: nobody knows {', '.join(sorted(unknown))}")
        if "name" in data:
            providers.append(
                Provider(
                    name=data["provider"],
                    shown=data["name"],
                    hosts=tuple(data.get("hosts", ())),
                    marks=tuple(data.get("marks", ())),
                )
            )
        readings.extend(_entries(path.name, data))
    names = [reading.id for reading in readings]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadEntry(f"two entries are called {', '.join(sorted(twice))}")
    return Catalogue(readings, providers)


def _entries(file: str, data: Mapping[str, Any]) -> Iterator[Reading]:
    for entry in data.get("entry", ()):
        try:
            yield _reading(entry, data)
        except (KeyError, ValueError, TypeError) as error:
            raise BadEntry(f"{file}: {entry.get('id', 'an entry without id')}: {error}") from None


def _reading(entry: Mapping[str, Any], file: Mapping[str, Any]) -> Reading:
    if unknown := entry.keys() - _ENTRY_KEYS:
        raise ValueError(f"nobody knows {', '.join(sorted(unknown))}")
    sign = Sign(
        codes=frozenset(entry.get("codes", ())),
        statuses=tuple(map(_status, entry.get("enhanced", ()))),
        stages=frozenset(map(Stage, entry.get("stages", ()))),
        phrases=tuple(map(_phrase, entry.get("phrases", ()))),
    )
    if not (sign.codes or sign.statuses or sign.phrases):
        raise ValueError("it would match everything")
    return Reading(
        id=entry["id"],
        provider=file.get("provider", ""),
        sign=sign,
        cause=Cause(entry["cause"]),
        permanence=Permanence(entry.get("permanence", "as coded")),
        who=Who(entry["who"]),
        meaning=entry["meaning"],
        fix=entry["fix"],
        scope=Scope(entry["scope"]) if "scope" in entry else None,
        slow_down=entry.get("slow_down", False),
        pause=float(entry.get("pause", 0)),
        grey=entry.get("grey", False),
        vague=entry.get("vague", False),
        source=entry.get("source") or file["source"],
        date=str(entry.get("date") or file["date"]),
        examples=tuple(_example(example, file, sign) for example in entry["examples"]),
    )


def _status(text: str) -> Status:
    match = _STATUS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no enhanced status like 4.7.26, *.7.26 or 5.7.606-649")
    kind, subject, detail, last = match.groups()
    return Status(0 if kind == "*" else int(kind), int(subject), int(detail), int(last or detail))


def _phrase(text: str) -> tuple[str, ...]:
    parts = tuple(normalised(part) for part in text.split(GAP))
    if len(max(parts, key=len)) < SHORTEST_PHRASE or not all(parts):
        raise ValueError(f"the phrase {text!r} is too short to mean something")
    return parts


def _example(example: object, file: Mapping[str, Any], sign: Sign) -> Example:
    if isinstance(example, str):
        usual = min(sign.stages, key=lambda stage: stage.name, default=None)
        return Example(example, usual or Stage(file.get("stage", "RCPT TO")))
    if isinstance(example, dict):
        return Example(example["reply"], Stage(example["stage"]))
    raise TypeError("an example is a text, or a table of reply and stage")
