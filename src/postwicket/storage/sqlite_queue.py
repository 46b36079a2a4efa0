"""The queue on SQLite, for a worker's event loop.

Writes go to the committer's thread and come back as futures; reads use a connection of their
own on the loop, because each is an index look-up or two and a thread would cost more.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from postwicket.core.entry import Entry
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State
from postwicket.core.tls_result import TlsResult
from postwicket.policy.lane import is_bulk, take_turns

from .bodies import BodyStore, FileContent, SmallContent
from .comebacks import SUPPRESSED, CameBackUnit, Unwritten
from .committer import Committed, Committer
from .database import Parameters, connect, storage_errors
from .fair_lock import FairLock
from .generation import Generation
from .interfaces import Conflict, Content, StorageUnavailable
from .named import SQLITE
from .rows import Row, as_json, delivery_from, keys_json, messages_from
from .sqlite_tls import TlsTally
from .units import Accept, Call, Record, Settle, Unit
from .usage import ended, minute_of, over_limit
from .values import (
    Charge,
    Claimed,
    ComeBack,
    Delivery,
    Message,
    NewMessage,
    OverLimit,
    Settlement,
    Suppression,
)


class SqliteQueue:
    """`Queue` on the database at `path`; made by `opening.open_queue`.

    `committed` is called in the committer's thread, after each commit, with its entries.
    """

    def __init__(
        self,
        path: Path,
        bodies: BodyStore,
        loop: asyncio.AbstractEventLoop,
        *,
        committed: Committed | None = None,
    ) -> None:
        self.bodies = bodies
        self._loop = loop
        with storage_errors():
            self._suppressed = Generation(path.parent / SUPPRESSED)
            self._reader = connect(path, read_only=True)
            self._committer = Committer(
                connect(path),
                FairLock(path.parent),
                loop,
                released=bodies.delete,
                committed=committed,
            )
        self._unwritten = Unwritten(self._read, self._suppressed, loop.time)
        self._tls = TlsTally(loop, self._committer.submit_loose)

    # --- writes ---------------------------------------------------------------------------

    def accept(self, new: NewMessage) -> asyncio.Future[OverLimit | None]:
        """Store message, deliveries, charge and entry: all of them, or none."""
        future: asyncio.Future[OverLimit | None] = self._loop.create_future()
        self._submit(Accept(future, new))
        return future

    def claim(
        self, slot: int, *, now: float, lease_until: float, limit: int
    ) -> asyncio.Future[list[Claimed]]:
        """Take up to `limit` deliveries that are due and unclaimed, the most urgent first."""
        due = self.next_due()
        if due is None or due > now:
            future: asyncio.Future[list[Claimed]] = self._loop.create_future()
            future.set_result([])
            return future
        return self._call(lambda connection: _claim(connection, slot, now, lease_until, limit))

    def settle(
        self, settlements: Sequence[Settlement], notices: Sequence[NewMessage] = ()
    ) -> asyncio.Future[int]:
        """Finish attempts and store the notices that follow from them, in one transaction."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._submit(Settle(future, settlements, notices))
        return future

    def give_back(self, slot: int, deliveries: Sequence[Delivery]) -> asyncio.Future[None]:
        """Release claims without an attempt: due again at their old time, for anybody."""
        return self._change("give back", {"slot": slot, "keys": keys_json(deliveries)})

    def renew(self, slot: int, *, lease_until: float) -> asyncio.Future[None]:
        """Extend every claim of `slot`."""
        return self._change("renew", {"slot": slot, "lease_until": lease_until})

    def come_back(self, returned: ComeBack) -> asyncio.Future[bool]:
        """Store what came back about a message that had left us, in one transaction."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self._submit(CameBackUnit(future, returned, self._suppressed))
        return future

    def count_tls(self, results: Sequence[TlsResult]) -> None:
        """Count how sessions were secured, within about a second; nobody waits for it."""
        self._tls.add(results)

    def record(self, entry: Entry) -> None:
        """Append an entry with the next batch, or in a second; nobody waits for it."""
        self._committer.submit_loose(Record(entry))

    def _change(self, name: str, parameters: Parameters) -> asyncio.Future[None]:
        def change(connection: sqlite3.Connection) -> None:
            connection.execute(SQLITE[name], parameters)

        return self._call(change)

    def _call(self, function: Callable[[sqlite3.Connection], Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._submit(Call(future, function))
        return future

    def _submit(self, unit: Unit) -> None:
        try:
            self._committer.submit(unit)
        except StorageUnavailable as error:
            if unit.future is not None:
                unit.future.set_exception(error)

    # --- reads ----------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """Return when `claim` may next find something, or None.  Cheap."""
        due: float | None = self._read("next due")[0][0]
        return due

    def usage(self, account: int, *, now: float) -> tuple[int, int]:
        """Return (messages, recipients) of the account in the last 24 hours.  Cheap."""
        parameters = {"account": account, "ended": ended(minute_of(now))}
        rows = self._read("usage", parameters)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def room_at(self, charge: Charge, *, now: float) -> OverLimit | None:
        """Say what `accept` would say to this charge now, without storing anything."""
        messages, recipients = self.usage(charge.account, now=now)
        fits = (
            messages + charge.messages <= charge.messages_per_day
            and recipients + charge.recipients <= charge.recipients_per_day
        )
        if fits:
            return None
        minutes = self._read("usage minutes", (charge.account, ended(minute_of(now))))
        return over_limit(charge, minutes, now=now)

    def state_of(self, id: QueueId, number: int) -> State | None:
        """Return how a delivery stands, or None.  Cheap."""
        rows = self._read("state of", (id, number))
        return State(rows[0][0]) if rows else None

    def suppressed(
        self, addresses: Sequence[str], lane: str, *, now: float
    ) -> dict[str, Suppression]:
        """Return why some of these canonical addresses are not written to in this lane.  Cheap."""
        return self._unwritten.find(addresses, lane, now)

    def content(self, id: QueueId) -> Content:
        """Return the bytes of a message; raise `Conflict` when they have been let go."""
        return content_from(self._read("content", (id,)), self.bodies)

    def message(self, id: QueueId) -> Message | None:
        """Return a message, or None."""
        ids = (as_json([id]),)
        found = messages_from(self._read("messages", ids), self._read("deliveries", ids))
        return found[0] if found else None

    def _read(self, name: str, parameters: Parameters = ()) -> list[Row]:
        try:
            return self._reader.execute(SQLITE[name], parameters).fetchall()
        except sqlite3.Error as error:
            raise StorageUnavailable(f"the database cannot be read: {error}") from error

    async def close(self) -> None:
        """Write what is pending, then stop."""
        self._tls.write()
        await self._committer.close()
        self._reader.close()
        self._suppressed.close()


def content_from(rows: Sequence[Row], bodies: BodyStore) -> Content:
    """Return the content that `content` found; raise `Conflict` when there is none."""
    if not rows:
        raise Conflict("the bytes of the message are not kept, or not any more")
    header, file, size, data = rows[0]
    if file is None:
        return SmallContent(header, data)
    return FileContent(header, bodies.path(file), size)


def _claim(
    connection: sqlite3.Connection, slot: int, now: float, lease_until: float, limit: int
) -> list[Claimed]:
    keys = _due(connection, now, limit)
    if not keys:
        return []
    parameters = {"slot": slot, "lease_until": lease_until, "keys": as_json(keys)}
    connection.execute(SQLITE["claim"], parameters)
    # Longest due first, and the messages in the order in which they come up.
    order = {message: None for message, _ in keys}
    ids = (as_json(list(order)),)
    rows = connection.execute(SQLITE["deliveries"], ids).fetchall()
    messages = messages_from(connection.execute(SQLITE["messages"], ids), rows)
    held: dict[int, list[Delivery]] = {}
    taken = set(keys)
    for row in rows:
        if (row[0], row[1]) in taken:
            held.setdefault(row[0], []).append(delivery_from(row))
    by_id = {message.id: message for message in messages}
    return [Claimed(by_id[QueueId(key)], tuple(held[key])) for key in order]


def _due(connection: sqlite3.Connection, now: float, limit: int) -> list[tuple[int, int]]:
    """Return up to `limit` keys of what is due: the urgent first, but a share for bulk."""
    wanted = {"now": now, "limit": limit}
    lanes: tuple[list[Row], list[Row]] = [], []
    for row in connection.execute(SQLITE["find ended"], wanted):
        lanes[is_bulk(row[0])].append(row)
    for (urgency,) in connection.execute(SQLITE["urgencies"]).fetchall():
        lane = lanes[is_bulk(urgency)]
        if len(lane) < limit:  # the more urgent ones have filled it, else
            lane += connection.execute(SQLITE["find due"], wanted | {"urgency": urgency})
    urgent, bulk = map(sorted, lanes)
    return [(message, number) for _, _, message, number in take_turns(urgent, bulk, limit)]
