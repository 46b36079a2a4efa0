"""Writing what came back about a message, and the addresses that are not written to, on SQLite.

Everything that follows from one notice is one transaction: the delivery's new state, the
suppression, the notices to the sender, the entry.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from postwicket.core.clock import Clock
from postwicket.core.entry import Entry
from postwicket.core.queue_id import QueueId
from postwicket.core.state import MOVES, State

from .batch import add, insert, let_go
from .database import Database, Parameters
from .generation import Generation
from .named import SQLITE
from .rows import Row, as_json, entry_row
from .units import Accept, Call
from .values import ComeBack, Suppression

SUPPRESSED: Final = "suppressed"  # the file of the number that changes with the list
_SURE_FOR: Final = 1.0  # seconds
_RETURNS_FROM: Final = frozenset({State.DELIVERED, State.UNCERTAIN})


class CameBackUnit(Call):
    """Something that came back; its result is True when the delivery changed."""

    __slots__ = ("entries", "notices", "returned", "suppressed")

    def __init__(
        self, future: asyncio.Future[bool], returned: ComeBack, suppressed: Generation
    ) -> None:
        super().__init__(future, self._write)
        self.returned = returned
        self.suppressed = suppressed
        self.notices = [Accept(None, notice) for notice in returned.notices]

    def prepare(self) -> None:
        """Build the rows."""
        self.entries: Row = entry_row(self.returned.entry)
        for notice in self.notices:
            notice.prepare()

    def told(self) -> Sequence[Entry]:
        """Return the entry, and those of the notices that were stored."""
        if self.error is not None:
            return ()
        notices = [notice.new.entry for notice in self.notices] if self.result else []
        return [self.returned.entry, *notices]

    def _write(self, connection: sqlite3.Connection) -> bool:
        returned = self.returned
        changed = returned.state is not None and _move(connection, returned, returned.state)
        rows = [self.entries]
        if changed:
            let_go(connection, [returned.message])  # `tidy` deletes a file that nobody owns
            add(connection, self.notices)
            rows += [notice.entries for notice in self.notices]
        if returned.suppression is not None and (changed or returned.state is None):
            put(connection, returned.suppression)
            self.suppressed.advance()
        insert(connection, "add entries", rows)
        return changed


def _move(connection: sqlite3.Connection, returned: ComeBack, state: State) -> bool:
    """Change the delivery if it is one that may become this."""
    number = returned.number
    if number is None:
        wanted = {"message": returned.message}
        rows = connection.execute(SQLITE["recipients of"], wanted).fetchall()
        number = next((row[0] for row in rows if returned.names(row[1])), None)
    changed = connection.execute(
        SQLITE["come back"],
        {
            "message": returned.message,
            "number": number,
            "state": state.value,
            "cause": returned.cause,
            "reply": returned.reply,
            "before": as_json([one.value for one in came_from(state)]),
        },
    )
    return changed.rowcount > 0


def came_from(state: State) -> list[State]:
    """Return the states of what had left us from which this one may follow."""
    return [one for one in _RETURNS_FROM if state in MOVES[one]]


def put(connection: sqlite3.Connection, suppression: Suppression) -> None:
    """Add a suppression; one that holds for good is not replaced by one that ends."""
    connection.execute(
        SQLITE["put suppression"],
        (
            suppression.address,
            suppression.lane,
            suppression.reason,
            suppression.detail,
            suppression.message,
            suppression.created,
            suppression.expires,
        ),
    )


def suppression_from(row: Row) -> Suppression:
    """Return the value of a row of `suppression`."""
    address, lane, reason, detail, message, created, expires = row
    return Suppression(
        address=address,
        lane=lane,
        reason=reason,
        detail=detail,
        message=QueueId(message) if message is not None else None,
        created=created,
        expires=expires,
    )


class Unwritten:
    """Who is not written to, as a worker asks before it sends: free while there is nobody.

    That there is nobody is remembered until the number in shared memory changes, and for a
    second at most: a suppression that is being committed may change the number too early.
    """

    def __init__(
        self, read: Callable[[str, Parameters], list[Row]], changed: Generation, clock: Clock
    ) -> None:
        self._read = read
        self._changed = changed
        self._clock = clock  # any that runs evenly
        self._nobody = (-1, 0.0)  # by this number of `changed`, until then

    def find(self, addresses: Sequence[str], lane: str, now: float) -> dict[str, Suppression]:
        """Return why some of these canonical addresses are not written to in this lane."""
        number, at = self._changed(), self._clock()
        if self._nobody[0] == number and at < self._nobody[1]:
            return {}
        if not self._read("any suppression", ()):
            self._nobody = number, at + _SURE_FOR
            return {}
        wanted = {"addresses": as_json(list(addresses)), "lane": lane, "now": now}
        found = [suppression_from(row) for row in self._read("suppressed", wanted)]
        return {one.address: one for one in found}


class SqliteSuppressions:
    """`Suppressions` on a database."""

    _database: Database

    def __init__(self, database: Database, suppressed: Generation) -> None:
        self._database = database
        self._suppressed = suppressed

    def suppressions(
        self,
        address: str | None = None,
        lane: str | None = None,
        *,
        reason: str | None = None,
        after: Suppression | None = None,
        limit: int,
    ) -> list[Suppression]:
        """Return those that follow `after`, by address; what is None does not restrict."""
        wanted = {
            "address": address,
            "lane": lane,
            "reason": reason,
            "after_address": after.address if after else "",
            "after_lane": after.lane if after else "",
            "limit": limit,
        }
        return [suppression_from(row) for row in self._database.read("suppressions", wanted)]

    def suppress(self, *suppressions: Suppression) -> None:
        """Write to addresses no more, all or none; what holds for good stays."""
        with self._database.writing(committed=self._suppressed.advance) as connection:
            for suppression in suppressions:
                put(connection, suppression)

    def unsuppress(self, address: str, lane: str | None = None) -> int:
        """Write to an address again, in one lane or in any; return how many were taken away."""
        with self._database.writing() as connection:
            wanted = {"address": address, "lane": lane}
            return connection.execute(SQLITE["remove suppression"], wanted).rowcount
