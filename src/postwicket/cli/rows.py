"""Deliveries as commands show them: JSON of the contract, or a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from postwicket.core.clock import rfc3339

from . import show
from .call import now

if TYPE_CHECKING:
    from postwicket.storage.values import QueueRow


def describe(row: QueueRow) -> dict[str, object]:
    """Return a delivery as JSON shows it."""
    return {
        "id": row.id,
        "message": row.message,
        "sender": row.sender,
        "recipient": row.recipient,
        "state": row.state.value,
        "attempts": row.attempts,
        "next_attempt": rfc3339(row.next_attempt),
        "route": row.route,
        "cause": row.cause,
        "reply": row.reply,
        "site": row.site,
        "why": row.why,
        "lane": row.lane,
        "priority": row.priority,
    }


def state_of(row: QueueRow) -> str:
    """Return the state as people see it: a delivery under way is `sending`."""
    return "sending" if row.sending and not row.state.final else row.state.value


def reason_of(row: QueueRow) -> str:
    """Return what it waits for, in words, or what failed and the last reply."""
    return row.why or ": ".join(part for part in (row.cause, row.reply) if part)


def show_rows(rows: Sequence[QueueRow]) -> None:
    """Print deliveries as a table."""
    at = now()
    cells = [
        (
            row.id,
            state_of(row),
            row.sender or "<>",
            row.recipient,
            str(row.attempts),
            show.when(row.next_attempt, at),
            row.route,
            row.site,
            reason_of(row),
        )
        for row in rows
    ]
    columns = ("id", "state", "sender", "recipient", "attempts", "next", "route", "site", "reason")
    show.table(columns, cells)
