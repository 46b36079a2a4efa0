"""`postwicket queue`: what waits, why, and what an operator can do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from postwicket.core.cause import Cause
from postwicket.core.state import State

from . import life as story
from . import show
from .call import NO, WRONG, Call, ConfigOption, JsonOption, Refused, group, now, tell_journal
from .rows import describe, show_rows

if TYPE_CHECKING:
    from postwicket.storage.interfaces import Desk
    from postwicket.storage.values import Selection

app = group("The queue: what waits and why; retry, hold, release, cancel.")

IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Queue ids or delivery ids.", show_default=False),
]
SenderOption = Annotated[str | None, typer.Option(metavar="ADDRESS", show_default=False)]
RecipientOption = Annotated[str | None, typer.Option(metavar="ADDRESS", show_default=False)]
DomainOption = Annotated[
    str | None, typer.Option(help="The recipients' domain.", show_default=False)
]
RouteOption = Annotated[
    str | None, typer.Option(help="Like upstream:gmail or capture.", show_default=False)
]
SiteOption = Annotated[
    str | None,
    typer.Option(help="A set of exchangers, as queue list names it.", show_default=False),
]
CauseOption = Annotated[
    str | None,
    typer.Option(
        help="Which thing failed: " + ", ".join(one.value for one in Cause) + ".",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The options that choose deliveries; all of them must fit."""

    sender: str | None
    recipient: str | None
    domain: str | None
    route: str | None
    cause: str | None
    site: str | None
    state: str | None = None

    def selections(self, ids: Sequence[str] | None) -> list[Selection]:
        """Return one selection for each id, or one for the filters alone."""
        from postwicket.storage.values import Selection

        if self.cause is not None and self.cause not in {one.value for one in Cause}:
            known = ", ".join(one.value for one in Cause)
            raise Refused(f"{self.cause!r} is no cause; write one of {known}", WRONG)
        return [
            Selection(
                id=one,
                sender=self.sender,
                recipient=self.recipient,
                domain=self.domain,
                route=self.route,
                cause=self.cause,
                site=self.site,
                state=_state(self.state),
            )
            for one in ([_checked(each) for each in ids] if ids else [None])
        ]

    def words(self, id: str | None) -> str:
        """Return the choice in words, for the journal."""
        given = {"id": id, **asdict(self)}
        chosen = " ".join(f"{key} {value}" for key, value in given.items() if value)
        return chosen or "all"

    @property
    def empty(self) -> bool:
        """Say whether nothing is chosen."""
        return not any(asdict(self).values())


def _state(text: str | None) -> State | None:
    if text is None:
        return None
    try:
        return State(text)
    except ValueError:
        known = ", ".join(one.value for one in State)
        raise Refused(f"{text!r} is no state; write one of {known}", WRONG) from None


def _checked(id: str) -> str:
    from postwicket.core.queue_id import read

    message, _, number = id.partition("-")
    try:
        read(message)
    except ValueError as error:
        raise Refused(f"{error}; it has 13 letters and digits, see queue list", WRONG) from None
    if number and not (number.isascii() and number.isdigit()):
        raise Refused(f"{id!r} is not a delivery id; it ends in a number, see queue list", WRONG)
    return id.upper()


@app.command("list")
def list_queue(
    context: typer.Context,
    *,
    sender: SenderOption = None,
    recipient: RecipientOption = None,
    domain: DomainOption = None,
    route: RouteOption = None,
    cause: CauseOption = None,
    site: SiteOption = None,
    state: Annotated[str | None, typer.Option(show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="Finished deliveries, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List deliveries, oldest first."""
    call = Call.of(context, config, as_json)
    chosen = Filters(
        sender=sender,
        recipient=recipient,
        domain=domain,
        route=route,
        cause=cause,
        site=site,
        state=state,
    )
    (selection,) = chosen.selections(None)
    every = all or (selection.state is not None and selection.state.final)
    with call.store() as store:
        rows = store.rows(selection, limit=limit + 1, all=every)
        counts = store.counts() if not call.json else {}
    if call.json:
        show.document([describe(row) for row in rows[:limit]])
        return
    if rows:
        show_rows(rows[:limit])
    _summary(counts, more=len(rows) > limit, limit=limit)


def _summary(counts: Mapping[State, int], *, more: bool, limit: int) -> None:
    told = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    if more:
        show.hint(f"the first {limit} are shown; --limit N shows more, --sender and others fewer")
    show.hint(f"in all: {told}" if told else "the queue is empty")


@app.command("show")
def show_delivery(
    context: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    *,
    transcript: Annotated[bool, typer.Option(help="What was said in each attempt.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one message or delivery: its state, attempts and next attempt."""
    from postwicket.core.queue_id import read, spell

    call = Call.of(context, config, as_json)
    checked = _checked(id)
    message = read(checked.partition("-")[0])
    with call.store() as store:
        life = store.life(message)
    if life is None or ("-" in checked and checked not in {row.id for row in life.deliveries}):
        raise Refused(f"there is no {checked} in the queue; see postwicket queue list --all")
    if call.json:
        show.document(story.describe(life))
    else:
        show.say(f"message {spell(life.message.id)}")
        story.show_life(life, transcript=transcript)


Verb = Callable[["Desk", "Selection"], int]


def _move(
    call: Call,
    name: str,
    ids: Sequence[str] | None,
    chosen: Filters,
    verb: Verb,
    done: str,
    *,
    all: bool,
) -> None:
    if not ids and chosen.empty and not all:
        raise Refused("nothing is chosen; name an ID, a filter like --domain, or --all", WRONG)
    with call.store() as store:
        selections = chosen.selections(ids)
        count = 0
        for selection in selections:
            changed = verb(store, selection)
            count += changed
            if changed:
                told = f"{changed} {_counted(changed)} {done}"
                tell_journal(store, f"queue {name}", chosen.words(selection.id), told)
    if call.json:
        show.document({"changed": count})
    elif count:
        show.say(f"{count} {_counted(count)} {done}")
    if not count:
        if not call.json:
            show.hint(f"no delivery is {done}: none fits that is not final or being sent now")
        raise typer.Exit(NO)


def _counted(count: int) -> str:
    return "delivery" if count == 1 else "deliveries"


AllOption = Annotated[bool, typer.Option("--all", help="Every delivery that can be.")]


def _add(name: str, verb: Verb, *, done: str, help: str) -> None:
    """Add one of the commands that change deliveries; they differ in nothing but these words."""

    @app.command(name, help=help)
    def command(
        context: typer.Context,
        ids: IdsArgument = None,
        *,
        sender: SenderOption = None,
        recipient: RecipientOption = None,
        domain: DomainOption = None,
        route: RouteOption = None,
        cause: CauseOption = None,
        site: SiteOption = None,
        all: AllOption = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        chosen = Filters(
            sender=sender,
            recipient=recipient,
            domain=domain,
            route=route,
            cause=cause,
            site=site,
        )
        _move(Call.of(context, config, as_json), name, ids, chosen, verb, done, all=all)


_add(
    "retry",
    lambda desk, one: desk.retry(one, now=now()),
    done="due now",
    help="Try waiting deliveries now.",
)
_add(
    "hold",
    lambda desk, one: desk.hold(one, now=now()),
    done="held",
    help="Keep waiting deliveries back until they are released.",
)
_add(
    "release",
    lambda desk, one: desk.release(one, now=now()),
    done="released",
    help="Let held deliveries go.",
)
_add(
    "cancel",
    lambda desk, one: desk.cancel(one, now=now()),
    done="cancelled",
    help="End waiting or held deliveries for good, without a notice.",
)
