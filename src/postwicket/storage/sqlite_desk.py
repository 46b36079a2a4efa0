"""The queue as an operator sees and changes it, on SQLite.

A delivery that is being sent is left alone by every change: what would be written could be
untrue by the time it is read.  The count that a change returns tells.  What is about many is done
in portions, each in a transaction of its own, so that mail comes in between them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Final

from postwicket.core.entry import Settled
from postwicket.core.queue_id import QueueId
from postwicket.core.state import WAITING, State

from .batch import insert, let_go
from .bodies import BodyStore
from .database import Database
from .named import SQLITE
from .rows import Row, as_json, entry_row, queue_row
from .selecting import FROM_START, statement_for
from .values import QueueRow, Selection

# Moved in one transaction: a tenth of a second at most, in which others cannot write.
_AT_ONCE: Final = 5000


class SqliteDesk:
    """`Desk` on a database."""

    def __init__(self, database: Database, bodies: BodyStore) -> None:
        self._database = database
        self._bodies = bodies

    def rows(self, selection: Selection, *, limit: int, all: bool = False) -> list[QueueRow]:
        """Return waiting and held deliveries, oldest first; with `all`, final ones too."""
        found = statement_for(selection, limit=limit, all=all)
        return [queue_row(row, row[16]) for row in self._database.read(*found)] if found else []

    def counts(self) -> Mapping[State, int]:
        """Return how many deliveries are in each state."""
        return {State(state): count for state, count in self._database.read("counts")}

    def retry(self, selection: Selection, *, now: float) -> int:
        """Make waiting deliveries due now; return how many."""
        return self._move(selection, WAITING, State.QUEUED, now=now)

    def hold(self, selection: Selection, *, now: float) -> int:
        """Stop waiting deliveries until `release`; return how many."""
        return self._move(selection, WAITING, State.HELD, now=now)

    def release(self, selection: Selection, *, now: float) -> int:
        """Make held deliveries due now; return how many."""
        return self._move(selection, {State.HELD}, State.QUEUED, now=now)

    def cancel(self, selection: Selection, *, now: float) -> int:
        """End waiting or held deliveries without a notice; return how many."""
        return self._move(selection, WAITING | {State.HELD}, State.CANCELLED, now=now)

    def _move(
        self, selection: Selection, states: Collection[State], to: State, *, now: float
    ) -> int:
        names = {state.value for state in states}
        moved, after = 0, FROM_START
        while True:
            found = statement_for(selection, limit=_AT_ONCE, after=after)
            if found is None:
                return moved
            with self._database.writing() as connection:
                rows = connection.execute(SQLITE[found[0]], found[1]).fetchall()
                idle = [row for row in rows if row[9] is None or row[7] <= now]
                chosen = [row for row in idle if row[5] in names]
                files = _moved(connection, chosen, to, now)
            for file in files:
                self._bodies.delete(file)
            moved += len(chosen)
            if len(rows) < _AT_ONCE:
                return moved
            after = rows[-1][:2]


def _moved(connection: sqlite3.Connection, chosen: list[Row], to: State, now: float) -> list[str]:
    """Move the rows and tell the journal; return the body files that nobody needs any more."""
    due = now if to is State.QUEUED else None
    keys = as_json([(row[0], row[1]) for row in chosen])
    connection.execute(SQLITE["move by hand"], {"state": to.value, "due": due, "keys": keys})
    insert(connection, "add entries", [_entry(row, to, due, now) for row in chosen])
    return let_go(connection, {row[0] for row in chosen}) if to.final else []


def _entry(row: Row, to: State, due: float | None, now: float) -> Row:
    return entry_row(
        Settled(
            at=now,
            message=QueueId(row[0]),
            delivery=row[1],
            recipient=row[2],
            state=to.value,
            route=row[10],
            attempts=row[6],
            why="by hand",
            next_attempt=due,
        )
    )
