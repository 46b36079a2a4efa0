"""`postwicket suppression`: the addresses that are not written to, and why."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TextIO

import typer

from postwicket.core.clock import rfc3339

from . import show
from .account import AddressArgument
from .call import (
    WRONG,
    Call,
    ConfigOption,
    JsonOption,
    Refused,
    canonical,
    group,
    now,
    tell_journal,
)

if TYPE_CHECKING:
    from postwicket.storage.values import Suppression

app = group("Addresses that are not written to: bounces, complaints, unsubscribes, by hand.")

COLUMNS: Final = ("address", "lane", "reason", "created", "expires", "detail")
AT_ONCE: Final = 1000  # addresses in one transaction: others want to write too
EVERYTHING: Final = 10_000_000


class LaneChoice(StrEnum):
    """Which mail an address is not to get."""

    ALL = "all"
    BULK = "bulk"
    TRANSACTIONAL = "transactional"


_REASONS: Final = ("bounce", "complaint", "unsubscribe", "manual")
LaneOption = Annotated[LaneChoice, typer.Option(help="Of which lane: all, bulk or transactional.")]
FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="CSV; standard output or input without it."),
]


@app.command("list")
def list_suppressions(
    context: typer.Context,
    address: Annotated[str | None, typer.Argument(show_default=False)] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who is not written to, by address; with ADDRESS, what holds for it."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address) if address is not None else None
    with call.store() as store:
        found = store.suppressions(wanted, limit=limit + 1)
    if call.json:
        show.document([_describe(one) for one in found[:limit]])
        return
    at = now()
    rows = [
        (
            one.address,
            one.lane or "all",
            one.reason,
            show.when(one.created, at),
            show.when(one.expires, at) or "never",
            one.detail,
        )
        for one in found[:limit]
    ]
    show.table(("address", "lane", "reason", "since", "ends", "detail"), rows)
    if len(found) > limit:
        show.hint(f"the first {limit} are shown; see --limit, or `suppression export`")


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    *,
    lane: LaneOption = LaneChoice.ALL,
    detail: Annotated[str, typer.Option(help="Why, for whoever reads the list.")] = "",
    days: Annotated[
        float | None, typer.Option(min=0, help="For so many days.", show_default="for good")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write to an address no more."""
    from postwicket.storage.values import Suppression

    call = Call.of(context, config, as_json)
    at = now()
    made = Suppression(
        address=canonical(address),
        lane="" if lane is LaneChoice.ALL else lane.value,
        detail=detail,
        created=at,
        expires=at + days * 86_400 if days is not None else None,
    )
    with call.store() as store:
        store.suppress(made)
        tell_journal(store, "suppression add", made.address, f"{lane.value} {detail}".strip())
    if call.json:
        show.document(_describe(made))
    else:
        show.say(f"{made.address} is not written to any more ({lane.value})")


@app.command()
def remove(
    context: typer.Context,
    address: AddressArgument,
    *,
    lane: Annotated[
        LaneChoice | None,
        typer.Option(help="Only what holds for this lane.", show_default="whatever holds"),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write to an address again.  What was suppressed meanwhile is not sent by itself."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    only = None if lane is None else "" if lane is LaneChoice.ALL else lane.value
    with call.store() as store:
        count = store.unsuppress(wanted, only)
        if not count:
            raise Refused(f"{wanted} is not suppressed; see postwicket suppression list {wanted}")
        tell_journal(store, "suppression remove", wanted, lane.value if lane else "")
    if call.json:
        show.document({"address": wanted, "removed": count})
    else:
        show.say(f"{wanted} is written to again")


@app.command("export")
def export_suppressions(
    context: typer.Context,
    file: FileArgument = None,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole list as CSV, or as JSON with --json."""
    call = Call.of(context, config, as_json)
    with call.store() as store:
        found = store.suppressions(limit=EVERYTHING)
    if call.json:
        show.document([_describe(one) for one in found])
        return
    if file is None:
        _write(sys.stdout, found)
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            _write(out, found)
    except OSError as error:
        raise Refused(f"cannot write {file}: {error.strerror}; check the path") from None
    show.hint(f"{len(found)} addresses are in {file}")


@app.command("import")
def import_suppressions(
    context: typer.Context,
    file: FileArgument = None,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a list: CSV as `export` writes it, or an address in each line's first column.

    Nothing is taken away, and what holds for good stays.  A list with a line that is wrong is
    not read at all.
    """
    call = Call.of(context, config, as_json)
    try:
        lines = (
            sys.stdin.read() if file is None else file.read_text(encoding="utf-8-sig")
        ).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise Refused(f"cannot read {file or 'standard input'}: {reason}", WRONG) from None
    found = list(_read(lines, now()))
    with call.store() as store:
        rest = iter(found)
        while portion := list(islice(rest, AT_ONCE)):
            store.suppress(*portion)
        tell_journal(store, "suppression import", str(file or "-"), f"{len(found)} addresses")
    if call.json:
        show.document({"imported": len(found)})
    else:
        show.say(f"{len(found)} addresses were read")


def _describe(one: Suppression) -> dict[str, object]:
    from postwicket.core.queue_id import spell

    return {
        "address": one.address,
        "lane": one.lane or "all",
        "reason": one.reason,
        "detail": one.detail,
        "message": spell(one.message) if one.message is not None else None,
        "created": rfc3339(one.created),
        "expires": rfc3339(one.expires),
    }


def _write(out: TextIO, found: list[Suppression]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        facts = _describe(one)
        writer.writerow([facts[column] or "" for column in COLUMNS])


def _read(lines: list[str], at: float) -> Iterator[Suppression]:
    """Read CSV with or without a line of column names; raise `Refused` naming the line."""
    columns: tuple[str, ...] = COLUMNS[:1]
    for number, row in enumerate(csv.reader(lines), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if "@" not in "".join(cells) and "address" in [cell.lower() for cell in cells]:
            columns = tuple(cell.lower() for cell in cells)
            continue
        try:
            yield _suppression(dict(zip(columns, cells, strict=False)), at)
        except (ValueError, Refused) as error:
            raise Refused(f"line {number}: {error}; nothing was read", WRONG) from None


def _suppression(facts: dict[str, str], at: float) -> Suppression:
    from postwicket.storage.values import Suppression

    lane, reason = facts.get("lane") or "all", facts.get("reason") or "manual"
    if reason not in _REASONS:
        raise ValueError(f"{reason[:40]!r} is no reason; it is one of {', '.join(_REASONS)}")
    return Suppression(
        address=canonical(facts.get("address", "")),
        lane="" if LaneChoice(lane) is LaneChoice.ALL else lane,
        reason=reason,
        detail=facts.get("detail", "")[:1000],
        created=_time(facts.get("created", "")) or at,
        expires=_time(facts.get("expires", "")),
    )


def _time(text: str) -> float | None:
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
