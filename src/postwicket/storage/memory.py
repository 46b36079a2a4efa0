"""The reference: queue and store in plain dictionaries, the ones to read to know what they do.

Nothing survives the process.  Every other implementation passes the same contract suite.
`MemoryQueue` is here; accounts are in `memory_directory`, the rest of the store in
`memory_store`.  All that share one `Memory` share what is in it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from postwicket.core.entry import Entry
from postwicket.core.queue_id import QueueId
from postwicket.core.state import MOVES, State
from postwicket.core.tls_result import TlsResult
from postwicket.policy.lane import is_bulk, take_turns, urgency_of

from .bodies import BodyStore, FileContent, SmallContent
from .interfaces import Conflict, Content
from .usage import ended, minute_of, over_limit
from .values import (
    Attempt,
    Charge,
    Claimed,
    ComeBack,
    Delivery,
    Message,
    NewMessage,
    OverLimit,
    Settlement,
    SmallBody,
    StoredBody,
    Suppression,
)

Result = TypeVar("Result")
Key = tuple[QueueId, int]


@dataclass(slots=True)
class Kept:
    """A delivery and what only storage knows of it."""

    delivery: Delivery
    claimed_by: int | None = None
    was_due: float | None = None  # while claimed: when it was due before
    route: str = ""
    cause: str = ""
    reply: str = ""
    site: str = ""
    why: str = ""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """True while something is still to be done."""
        return not self.delivery.state.final

    def let_loose(self) -> None:
        """End the claim: due again at the old time."""
        self.delivery = replace(self.delivery, due=self.was_due)
        self.claimed_by = self.was_due = None


@dataclass(slots=True)
class Memory:
    """Everything there is."""

    bodies: BodyStore
    messages: dict[QueueId, Message] = field(default_factory=dict)
    headers: dict[QueueId, bytes] = field(default_factory=dict)
    kept_bodies: dict[QueueId, SmallBody | StoredBody] = field(default_factory=dict)
    deliveries: dict[Key, Kept] = field(default_factory=dict)
    journal: list[Entry] = field(default_factory=list)
    usage: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)  # by minute
    tls_counts: Counter[TlsResult] = field(default_factory=Counter)  # each with count 0
    tls_reports: dict[tuple[str, str], float] = field(default_factory=dict)  # claimed until
    suppressions: dict[tuple[str, str], Suppression] = field(default_factory=dict)

    def suppress(self, suppression: Suppression) -> None:
        """Add a suppression; one that holds for good is not replaced by one that ends."""
        key = suppression.address, suppression.lane
        known = self.suppressions.get(key)
        if known is None or known.expires is not None or suppression.expires is None:
            self.suppressions[key] = suppression

    def of(self, id: QueueId) -> list[Kept]:
        """Return the deliveries of a message."""
        return [kept for (message, _), kept in sorted(self.deliveries.items()) if message == id]

    def let_go(self, id: QueueId) -> None:
        """Let the body go when nothing is open and nothing was captured."""
        if any(kept.open or kept.delivery.state is State.CAPTURED for kept in self.of(id)):
            return
        body = self.kept_bodies.pop(id, None)
        if isinstance(body, StoredBody):
            self.bodies.delete(body.name)

    def content(self, id: QueueId) -> Content:
        """Return the bytes of a message; raise `Conflict` when they have been let go."""
        body = self.kept_bodies.get(id)
        if body is None:
            raise Conflict("the bytes of the message are not kept, or not any more")
        if isinstance(body, StoredBody):
            return FileContent(self.headers[id], self.bodies.path(body.name), body.size)
        return SmallContent(self.headers[id], body.data)


class MemoryQueue:
    """`Queue` in memory: each future has its result at once."""

    def __init__(self, memory: Memory, loop: asyncio.AbstractEventLoop) -> None:
        self.bodies = memory.bodies
        self._memory = memory
        self._loop = loop

    def accept(self, new: NewMessage) -> asyncio.Future[OverLimit | None]:
        """Store message, deliveries, charge and entry: all of them, or none."""
        return self._at_once(lambda: self._accept(new))

    def _accept(self, new: NewMessage) -> OverLimit | None:
        if new.message.id in self._memory.messages:
            raise Conflict("it exists already")
        if new.charge is not None:
            over = self._charge(new.charge, new.message.received)
            if over is not None:
                return over
        self._store(new)
        return None

    def _charge(self, charge: Charge, now: float) -> OverLimit | None:
        minutes = self._memory.usage.setdefault(charge.account, {})
        # An account's time never runs backwards: what has left the window stays out of it.
        minute = max(minute_of(now), *minutes, 0)
        over = over_limit(charge, _ordered(minutes), now=max(now, minute * 60.0))
        if over is None:
            messages, recipients = minutes.get(minute, (0, 0))
            minutes[minute] = messages + charge.messages, recipients + charge.recipients
        return over

    def _store(self, new: NewMessage) -> None:
        memory, message = self._memory, new.message
        memory.messages[message.id] = message
        memory.headers[message.id] = new.header
        memory.kept_bodies[message.id] = new.body
        for number, recipient in enumerate(message.envelope.recipients, 1):
            delivery = Delivery(
                message=message.id,
                number=number,
                recipient=recipient,
                due=max(message.received, new.not_before),
            )
            kept = memory.deliveries[message.id, number] = Kept(delivery)
            if new.claimed_by is not None:
                _claim(kept, new.claimed_by, new.lease_until)
        memory.journal.append(new.entry)

    def claim(
        self, slot: int, *, now: float, lease_until: float, limit: int
    ) -> asyncio.Future[list[Claimed]]:
        """Take up to `limit` deliveries that are due and unclaimed, the most urgent first."""
        return self._at_once(lambda: self._claim(slot, now, lease_until, limit))

    def _claim(self, slot: int, now: float, lease_until: float, limit: int) -> list[Claimed]:
        due = [
            (self._urgency(key), kept.delivery.due, key, kept)
            for key, kept in self._memory.deliveries.items()
            # A claim that has ended is as good as none.
            if kept.delivery.due is not None and kept.delivery.due <= now
        ]
        found: dict[QueueId, list[Delivery]] = {}
        ordered = sorted(due, key=lambda row: row[:3])
        urgent = [row for row in ordered if not is_bulk(row[0])]
        bulk = [row for row in ordered if is_bulk(row[0])]
        for _, _, (message, _), kept in take_turns(urgent, bulk, limit):
            _claim(kept, slot, lease_until)
            found.setdefault(message, []).append(kept.delivery)
        return [
            Claimed(
                self._memory.messages[message],
                tuple(sorted(deliveries, key=lambda delivery: delivery.number)),
            )
            for message, deliveries in found.items()
        ]

    def _urgency(self, key: Key) -> int:
        message = self._memory.messages[key[0]]
        return urgency_of(message.lane, message.demands.priority)

    def settle(
        self, settlements: Sequence[Settlement], notices: Sequence[NewMessage] = ()
    ) -> asyncio.Future[int]:
        """Finish attempts and store the notices that follow from them, in one transaction."""
        return self._at_once(lambda: self._settle(settlements, notices))

    def _settle(self, settlements: Sequence[Settlement], notices: Sequence[NewMessage]) -> int:
        if any(notice.message.id in self._memory.messages for notice in notices):
            raise Conflict("it exists already")
        count = sum(self._settle_one(settlement) for settlement in settlements)
        for notice in notices if count else ():
            self._store(notice)
        return count

    def _settle_one(self, settlement: Settlement) -> bool:
        before, memory = settlement.delivery, self._memory
        kept = memory.deliveries.get((before.message, before.number))
        if (
            kept is None
            or kept.claimed_by != settlement.claimed_by
            or kept.delivery.attempts != before.attempts
        ):
            return False
        waits = not settlement.state.final and settlement.state is not State.HELD
        kept.delivery = replace(
            kept.delivery,
            state=settlement.state,
            attempts=before.attempts + (settlement.attempt is not None),
            due=settlement.due if waits else None,
            warned=kept.delivery.warned or settlement.warned,
        )
        kept.claimed_by = kept.was_due = None
        kept.route, kept.cause = settlement.route, settlement.cause
        kept.reply, kept.site = settlement.reply, settlement.site
        kept.why = "" if settlement.state.final else settlement.why
        if settlement.attempt is not None:
            kept.attempts.append(settlement.attempt)
        if settlement.entry is not None:
            memory.journal.append(settlement.entry)
        memory.let_go(before.message)
        return True

    def give_back(self, slot: int, deliveries: Sequence[Delivery]) -> asyncio.Future[None]:
        """Release claims without an attempt: due again at their old time, for anybody."""
        keys = [(delivery.message, delivery.number) for delivery in deliveries]
        return self._at_once(lambda: self._give_back(slot, keys))

    def _give_back(self, slot: int, keys: Sequence[Key]) -> None:
        for key in keys:
            kept = self._memory.deliveries.get(key)
            if kept is not None and kept.claimed_by == slot:
                kept.let_loose()

    def renew(self, slot: int, *, lease_until: float) -> asyncio.Future[None]:
        """Extend every claim of `slot`."""
        return self._at_once(lambda: self._renew(slot, lease_until))

    def _renew(self, slot: int, lease_until: float) -> None:
        for kept in self._memory.deliveries.values():
            if kept.claimed_by == slot:
                kept.delivery = replace(kept.delivery, due=lease_until)

    def come_back(self, returned: ComeBack) -> asyncio.Future[bool]:
        """Store what came back about a message that had left us, in one transaction."""
        return self._at_once(lambda: self._come_back(returned))

    def _come_back(self, returned: ComeBack) -> bool:
        memory, state = self._memory, returned.state
        kept = next(
            (
                one
                for one in memory.of(returned.message)
                if one.delivery.number == returned.number
                or (
                    returned.number is None and returned.names(str(one.delivery.recipient.address))
                )
            ),
            None,
        )
        changed = (
            state is not None
            and kept is not None
            and kept.claimed_by is None
            and kept.delivery.state in {State.DELIVERED, State.UNCERTAIN}
            and state in MOVES[kept.delivery.state]
        )
        if changed and kept is not None and state is not None:
            kept.delivery = replace(kept.delivery, state=state, due=None)
            kept.cause, kept.reply = returned.cause, returned.reply
            for notice in returned.notices:
                self._store(notice)
            memory.let_go(returned.message)
        if returned.suppression is not None and (changed or state is None):
            memory.suppress(returned.suppression)
        memory.journal.append(returned.entry)
        return changed

    def state_of(self, id: QueueId, number: int) -> State | None:
        """Return how a delivery stands, or None."""
        kept = self._memory.deliveries.get((id, number))
        return kept.delivery.state if kept is not None else None

    def suppressed(
        self, addresses: Sequence[str], lane: str, *, now: float
    ) -> dict[str, Suppression]:
        """Return why some of these canonical addresses are not written to in this lane."""
        return {
            address: found
            for address in addresses
            for one in ("", lane)
            if (found := self._memory.suppressions.get((address, one))) is not None
            and (found.expires is None or found.expires > now)
        }

    def count_tls(self, results: Sequence[TlsResult]) -> None:
        """Count how sessions were secured."""
        for result in results:
            self._memory.tls_counts[replace(result, count=0)] += result.count

    def record(self, entry: Entry) -> None:
        """Append an entry."""
        self._memory.journal.append(entry)

    def next_due(self) -> float | None:
        """Return when `claim` may next find something, or None."""
        dues = [kept.delivery.due for kept in self._memory.deliveries.values()]
        return min((due for due in dues if due is not None), default=None)

    def usage(self, account: int, *, now: float) -> tuple[int, int]:
        """Return (messages, recipients) of the account in the last 24 hours."""
        minutes = self._memory.usage.get(account, {})
        live = [sums for minute, sums in minutes.items() if minute > ended(minute_of(now))]
        return sum(messages for messages, _ in live), sum(recipients for _, recipients in live)

    def room_at(self, charge: Charge, *, now: float) -> OverLimit | None:
        """Say what `accept` would say to this charge now, without storing anything."""
        minutes = self._memory.usage.get(charge.account, {})
        return over_limit(charge, _ordered(minutes), now=now)

    def content(self, id: QueueId) -> Content:
        """Return the bytes of a message; raise `Conflict` when they have been let go."""
        return self._memory.content(id)

    def message(self, id: QueueId) -> Message | None:
        """Return a message, or None."""
        return self._memory.messages.get(id)

    async def close(self) -> None:
        """Have nothing to do."""

    def _at_once(self, change: Callable[[], Result]) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self._loop.create_future()
        try:
            future.set_result(change())
        except Conflict as conflict:
            future.set_exception(conflict)
        return future


def _claim(kept: Kept, slot: int, lease_until: float) -> None:
    if kept.claimed_by is None:
        kept.was_due = kept.delivery.due
    kept.claimed_by = slot
    kept.delivery = replace(kept.delivery, due=lease_until)


def _ordered(minutes: dict[int, tuple[int, int]]) -> list[tuple[int, int, int]]:
    return [(minute, *sums) for minute, sums in sorted(minutes.items())]
