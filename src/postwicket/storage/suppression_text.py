r"""Suppressions as text, to take them to other systems and back: CSV, or JSON lines.

Both have the same columns; only `address` is needed.  A CSV begins with the names of its
columns, in any order; those that are not ours are passed over, so that the export of another
sender can be read as it is.  Without names, the first column has the addresses.  A line that
says nothing sensible is told by its number, and the others count.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from postwicket.core.address import Address
from postwicket.core.clock import rfc3339
from postwicket.core.queue_id import QueueId, read, spell

from .values import Suppression

COLUMNS: Final = ("address", "lane", "reason", "detail", "message", "created", "expires")
ALL: Final = "all"
LANES: Final = (ALL, "transactional", "bulk")
REASONS: Final = ("bounce", "complaint", "unsubscribe", "manual")
FORMATS: Final = ("csv", "jsonl")
_LAST: Final = 253_402_300_800.0  # the year 10000 has no spelling
LONGEST_DETAIL: Final = 1000  # characters


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was passed over: its number, from 1, and what is wrong with it."""

    line: int
    why: str


def written(suppressions: Iterable[Suppression], format: str) -> Iterator[str]:
    """Yield lines with their ends; `format` is one of FORMATS."""
    if format == "jsonl":
        for one in suppressions:
            yield json.dumps(described(one), ensure_ascii=False) + "\n"
        return
    yield _csv_line(COLUMNS)
    for one in suppressions:
        yield _csv_line([str(value or "") for value in described(one).values()])


def described(one: Suppression) -> dict[str, object]:
    """Return a suppression under the names of its columns."""
    return {
        "address": one.address,
        "lane": one.lane or ALL,
        "reason": one.reason,
        "detail": one.detail,
        "message": None if one.message is None else spell(one.message),
        "created": rfc3339(one.created),
        "expires": rfc3339(one.expires),
    }


def read_suppressions(
    lines: Iterable[str], format: str, *, now: float
) -> Iterator[Suppression | BadLine]:
    """Yield what each line says; whatever the lines are, nothing is raised.

    A line without `created` is of `now`, without a `reason` manual, without `lane` for all.
    """
    rows = _csv_rows(lines) if format == "csv" else _json_rows(lines)
    for number, row in rows:
        if isinstance(row, str):
            yield BadLine(number, row)
            continue
        try:
            yield _suppression(row, now)
        except ValueError as error:
            yield BadLine(number, str(error))


Numbered = tuple[int, Mapping[str, str] | str]  # the columns, or what is wrong with the line


def _json_rows(lines: Iterable[str]) -> Iterator[Numbered]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "it is no JSON"
            continue
        if isinstance(found, dict):
            texts = {key: value for key, value in found.items() if value is not None}
            wrong = [key for key in COLUMNS if not isinstance(texts.get(key, ""), str)]
            yield number, f"{wrong[0]} is not text" if wrong else texts
        else:
            yield number, "it is no JSON object"


def _csv_rows(lines: Iterable[str]) -> Iterator[Numbered]:
    reader = csv.reader(lines)
    names: list[str] | None = None
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num, f"it is no CSV: {error}"
            continue
        if row is None:
            return
        if not any(row) or row[0].startswith("#"):
            continue
        if names is None:
            names = [name.strip().lower() for name in row]
            if "address" in names:
                continue
            names = ["address"]
        yield reader.line_num, dict(zip(names, row, strict=False))


def _suppression(row: Mapping[str, str], now: float) -> Suppression:
    texts = {name: row.get(name, "").strip() for name in COLUMNS}
    if any(not _encodable(text) for text in texts.values()):
        raise ValueError("it is not UTF-8")
    created, expires = (_time(name, texts[name]) for name in ("created", "expires"))
    return Suppression(
        address=_address(texts["address"]),
        lane=lane_named(_one_of("lane", texts["lane"] or ALL, LANES)),
        reason=_one_of("reason", texts["reason"] or "manual", REASONS),
        detail=texts["detail"][:LONGEST_DETAIL],
        message=_message(texts["message"]),
        created=now if created is None else created,
        expires=expires,
    )


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def lane_named(text: str) -> str:
    """Return the lane of a suppression: "" is what people call `all`."""
    return "" if text == ALL else text


def _address(text: str) -> str:
    if not text:
        raise ValueError("there is no address")
    return Address.parse(text).canonical


def _one_of(name: str, text: str, known: tuple[str, ...]) -> str:
    if text.lower() not in known:
        raise ValueError(f"{name} {text[:40]!r} is none of {', '.join(known)}")
    return text.lower()


def _message(text: str) -> QueueId | None:
    return read(text) if text else None


def _time(name: str, text: str) -> float | None:
    """Read a time as RFC 3339 writes it, or a day; without a zone it is UTC."""
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
        at = (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        at = -1.0
    if not 0.0 <= at < _LAST:
        raise ValueError(f"{name} {text[:40]!r} is no time like 2030-01-01T12:00:00Z")
    return at


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_inert(cell) for cell in cells])
    return line.getvalue()


def _inert(cell: str) -> str:
    """Keep a spreadsheet from taking what strangers wrote for a formula.

    >>> _inert("=1+1"), _inert("550 5.1.1 no")
    (' =1+1', '550 5.1.1 no')
    """
    return f" {cell}" if cell[:1] in {"=", "+", "-", "@"} else cell
