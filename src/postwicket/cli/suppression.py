"""`postwicket suppression`: who is not written to, and why; lists from elsewhere, and to there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from . import show
from .call import (
    NO,
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
    from postwicket.storage.interfaces import Store, Suppressions
    from postwicket.storage.suppression_text import BadLine
    from postwicket.storage.values import Suppression

app = group("Addresses that are not written to: list, add, remove, import, export.")

_AT_ONCE: Final = 500  # in one transaction: others want to write too
_LARGE: Final = 256 * 1024  # octets from which a file has a bar of progress
_TOLD: Final = 20  # bad lines told to people; JSON has all of them

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", show_default=False)]


class LaneChoice(StrEnum):
    """Which mail an address is not to get; the entry for all mail is one of its own."""

    ALL = "all"
    BULK = "bulk"
    TRANSACTIONAL = "transactional"


class FormatChoice(StrEnum):
    """How a list is written."""

    CSV = "csv"
    JSON_LINES = "jsonl"


LaneOption = Annotated[LaneChoice | None, typer.Option(help="Only what holds for this lane.")]
FormatOption = Annotated[
    FormatChoice | None, typer.Option(help="Without it, as FILE ends, else csv.")
]


def _lane(lane: LaneChoice | None) -> str | None:
    return "" if lane is LaneChoice.ALL else lane


def _reason(text: str | None) -> str | None:
    from postwicket.storage.suppression_text import REASONS

    if text is not None and text not in REASONS:
        raise Refused(f"{text!r} is no reason; write one of {', '.join(REASONS)}", WRONG)
    return text


@app.command("list")
def list_suppressions(
    context: typer.Context,
    address: Annotated[str | None, typer.Argument(metavar="[ADDRESS]", show_default=False)] = None,
    *,
    lane: LaneOption = None,
    reason: Annotated[
        str | None,
        typer.Option(help="bounce, complaint, unsubscribe or manual.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who is not written to, by address."""
    from postwicket.storage.suppression_text import described

    call = Call.of(context, config, as_json)
    wanted = canonical(address) if address is not None else None
    with call.store() as store:
        found = store.suppressions(wanted, _lane(lane), reason=_reason(reason), limit=limit + 1)
    if call.json:
        show.document([described(one) for one in found[:limit]])
        return
    if not found:
        show.hint("nobody is suppressed" + (" who fits" if wanted or lane or reason else ""))
        return
    show.table(("address", "lane", "reason", "since", "until", "detail"), _cells(found[:limit]))
    if len(found) > limit:
        show.hint(f"the first {limit} are shown; --limit N shows more, export all of them")


def _cells(found: list[Suppression]) -> list[tuple[str, ...]]:
    at = now()
    return [
        (
            one.address,
            one.lane or "all",
            one.reason,
            show.when(one.created, at),
            show.when(one.expires, at) or "for good",
            one.detail,
        )
        for one in found
    ]


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    *,
    lane: Annotated[LaneChoice, typer.Option(help="Of which lane.")] = LaneChoice.ALL,
    detail: Annotated[str, typer.Option(help="Why, for people.")] = "",
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="After so long, like 90d.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write to an address no more."""
    from postwicket.storage.suppression_text import described
    from postwicket.storage.values import Suppression

    call = Call.of(context, config, as_json)
    at = now()
    one = Suppression(
        address=canonical(address),
        lane=_lane(lane) or "",
        detail=detail,
        created=at,
        expires=None if expires is None else at + _duration(expires),
    )
    with call.store() as store:
        store.suppress(one)
        tell_journal(store, "suppression add", one.address, _words(one))
        (kept,) = store.suppressions(one.address, one.lane, limit=1)
    if call.json:
        show.document(described(kept))
    else:
        show.say(f"{kept.address} is not written to: {_words(kept)}")


def _duration(text: str) -> float:
    from postwicket.config.values import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise Refused(f"--expires: {error}", WRONG) from None


def _words(one: Suppression) -> str:
    until = f"until {show.exact(one.expires)}" if one.expires is not None else "for good"
    lane = f"{one.lane} mail" if one.lane else "all mail"
    return ", ".join(part for part in (lane, until, one.reason, one.detail) if part)


@app.command()
def remove(
    context: typer.Context,
    address: AddressArgument,
    *,
    lane: LaneOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write to an address again."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    with call.store() as store:
        count = store.unsuppress(wanted, _lane(lane))
        if count:
            tell_journal(store, "suppression remove", wanted, lane.value if lane else "")
    if not count:
        raise Refused(f"{wanted} is not suppressed so; see postwicket suppression list {wanted}")
    show.document({"removed": count}) if call.json else show.say(f"{wanted} is written to again")


# --- files --------------------------------------------------------------------------------


def _format(chosen: FormatChoice | None, file: str) -> str:
    lines = Path(file).suffix.lower() in {".jsonl", ".ndjson", ".json"}
    return chosen or (FormatChoice.JSON_LINES if lines else FormatChoice.CSV)


@app.command("import")
def take_in(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="A file, or - for stdin.")] = "-",
    *,
    format: FormatOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a list in: as `export` writes it, any CSV with an `address` column, or only addresses.

    Nothing is taken away, and what holds for good stays.  Lines that are wrong are told and
    passed over: the others count, and the exit status is 1.
    """
    call = Call.of(context, config, as_json)
    form = _format(format, file)
    with call.store() as store, _opened(file) as lines:
        count, bad = _import(store, lines, form)
        tell_journal(store, "suppression import", file, f"{count} addresses, {len(bad)} bad lines")
    if call.json:
        show.document({"imported": count, "bad": [asdict(one) for one in bad]})
    else:
        for one in bad[:_TOLD]:
            show.hint(f"line {one.line}: {one.why}")
        if len(bad) > _TOLD:
            show.hint(f"and {len(bad) - _TOLD} more")
        show.say(f"{count} taken in, {len(bad)} bad lines passed over")
    if bad:
        raise typer.Exit(NO)


def _import(store: Store, lines: Iterator[str], form: str) -> tuple[int, list[BadLine]]:
    from postwicket.storage.suppression_text import BadLine, read_suppressions

    count, bad = 0, []
    found = read_suppressions(lines, form, now=now())
    while part := list(islice(found, _AT_ONCE)):
        bad += [one for one in part if isinstance(one, BadLine)]
        good = [one for one in part if not isinstance(one, BadLine)]
        store.suppress(*good)
        count += len(good)
    return count, bad


@contextmanager
def _opened(file: str) -> Iterator[Iterator[str]]:
    """Yield the lines of a file, with a bar of progress where somebody may be waiting."""
    if file == "-":
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield iter(sys.stdin)
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 (closed below; opening alone may be refused)
    except OSError as error:
        raise Refused(f"cannot read {file}: {error.strerror}; check name and rights") from None
    with stream, _progress(Path(file)) as told:
        yield _decoded(stream, told)


def _decoded(stream: BinaryIO, told: Callable[[int], None]) -> Iterator[str]:
    for number, line in enumerate(stream):
        told(len(line))
        # What is no UTF-8 is found again by the reader of the lines, and told with its number.
        yield line.decode("utf-8-sig" if number == 0 else "utf-8", "surrogateescape")


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None]]:
    size = file.stat().st_size
    if size < _LARGE or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(show.clean(file.name), total=size)
        yield lambda octets: bar.advance(task, octets)


@app.command("export")
def hand_out(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="A file, or - for stdout.")] = "-",
    *,
    lane: LaneOption = None,
    format: FormatOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole list, by address."""
    from postwicket.storage.suppression_text import described, written

    call = Call.of(context, config, as_json)
    form, wanted = _format(format, file), _lane(lane)
    with call.store() as store:
        if call.json and file == "-":
            show.document([described(one) for one in _all(store, wanted)])
            return
        lines = written(_all(store, wanted), form)
        if file == "-":
            sys.stdout.writelines(lines)
            return
        count = _write(file, lines) - (form == "csv")
    show.document({"exported": count}) if call.json else show.say(f"{count} are in {file}")


def _write(file: str, lines: Iterator[str]) -> int:
    count = 0
    try:
        with Path(file).open("w", encoding="utf-8", newline="") as out:
            for line in lines:
                out.write(line)
                count += 1
    except OSError as error:
        raise Refused(f"cannot write {file}: {error.strerror}; check name and rights") from None
    return count


def _all(store: Suppressions, lane: str | None) -> Iterator[Suppression]:
    last = None
    while page := store.suppressions(lane=lane, after=last, limit=_AT_ONCE):
        yield from page
        last = page[-1]
