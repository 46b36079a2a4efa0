"""Why is it waiting, until when, and what would change that: in words, for each delivery.

What a delivery waits for was written down by the worker that sent it away or tried it: the limit
and the pace of its site, the last reply and its meaning, the TLS policy that forbids a host.  Here
it is put beside what the site may get at most and what an operator can do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from postwicket.core.cause import Cause
from postwicket.core.state import WAITING, State

from . import show

if TYPE_CHECKING:
    from postwicket.storage.values import QueueRow

MOST: Final = 20  # deliveries of one message that are explained; the others are in the table


def explanations(rows: Sequence[QueueRow], at: float) -> Iterator[str]:
    """Yield lines about those that wait or are held, for the terminal."""
    waiting = [row for row in rows if row.state in WAITING or row.state is State.HELD]
    for row in waiting[:MOST]:
        yield f"why {row.id} waits ({row.recipient})"
        for name, words in facts(row, at):
            yield f"  {name:<9} {words}"
    if len(waiting) > MOST:
        yield f"{len(waiting) - MOST} more wait; postwicket queue show ID tells of each"


def facts(row: QueueRow, at: float) -> Iterator[tuple[str, str]]:
    """Yield what there is to say about one delivery: until when, where to, why, what helps."""
    if row.sending:
        yield "now", "it is being sent"
    elif row.state is State.HELD:
        yield "until", "somebody releases it"
    elif row.next_attempt is not None:
        when = f"{show.exact(row.next_attempt)} ({show.when(row.next_attempt, at)})"
        turn = "it leaves" if is_scheduled(row, at) else "it is tried again"
        turn = "its turn comes" if is_pace(row) else turn
        yield "until", f"{when}: then {turn}"
    if row.site:
        yield "site", f"{row.site}: {limits_of(row.site)}"
    if row.lane == "bulk":
        yield "lane", "bulk: transactional mail goes first"
    if because := _because(row, at):
        yield "because", because
    if row.reply and row.reply not in row.why:
        yield "they said", row.reply
    yield "change it", what_helps(row, at)


def _because(row: QueueRow, at: float) -> str:
    if row.why or row.reply or row.sending or row.state is not State.QUEUED:
        return row.why or row.reply
    if is_scheduled(row, at):
        return "its sender wants it to leave then (FUTURERELEASE)"
    return "no worker has taken it up yet; one does within a second if one runs"


def is_scheduled(row: QueueRow, at: float) -> bool:
    """Say whether nobody has tried it because it is held until a time that is to come."""
    untouched = row.state is State.QUEUED and not (row.sending or row.attempts or row.why)
    return untouched and row.next_attempt is not None and row.next_attempt > at


def is_pace(row: QueueRow) -> bool:
    """Say whether it waits for its turn and not for another attempt."""
    return row.cause == Cause.RATE.value and bool(row.why) and not row.reply


def limits_of(site: str) -> str:
    """Say what a site may get at most, for the whole server.

    >>> limits_of("google")
    'at most 10 connections with 50 messages each'
    """
    from postwicket.delivery.sites import UNKNOWN, table

    if site.startswith("destination "):
        return "limits of [[destination]] in the configuration"
    rule = next((known.site.rule for known in table() if known.site.name == site), UNKNOWN)
    said = (
        f"at most {rule.connections} connections with {rule.messages_per_connection} messages each"
    )
    return f"{said}, {rule.per_minute:.0f} messages a minute" if rule.per_minute else said


def what_helps(row: QueueRow, at: float) -> str:
    """Say what an operator can do."""
    if row.sending:
        return "nothing to do: the attempt ends by itself"
    if row.state is State.HELD:
        return f"postwicket queue release {row.id}, or queue cancel {row.id}"
    if is_pace(row):
        return (
            "it goes by itself; more connections or messages a minute for this site: "
            "[[destination]] in the configuration"
        )
    if is_scheduled(row, at):
        return f"postwicket queue retry {row.id} lets it leave now, queue cancel takes it back"
    return f"postwicket queue retry {row.id} tries it now"
