"""Desk, inbox and story in memory: the reference of `Store`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from postwicket.core.cause import Cause
from postwicket.core.entry import Entry, Settled
from postwicket.core.queue_id import QueueId, spell
from postwicket.core.state import WAITING, State

from .doubt import LEFT_IN_DOUBT, left_in_doubt
from .interfaces import Conflict, Content
from .memory import Kept, Memory
from .memory_directory import MemoryDirectory
from .memory_domains import MemoryDomains
from .memory_suppressions import MemorySuppressions
from .memory_tls import MemoryTlsReports
from .selecting import delivery_of
from .values import CapturedMessage, Happening, Life, QueueRow, Selection, StoredBody
from .words import spellings_of, words_of


class MemoryStore(MemoryDirectory, MemoryDomains, MemorySuppressions, MemoryTlsReports):
    """`Store` in memory."""

    def __init__(self, memory: Memory) -> None:
        MemoryDirectory.__init__(self, memory)
        MemoryDomains.__init__(self)
        self.bodies = memory.bodies

    # --- desk -----------------------------------------------------------------------------

    def rows(self, selection: Selection, *, limit: int, all: bool = False) -> list[QueueRow]:
        """Return waiting and held deliveries, oldest first; with `all`, final ones too."""
        found = [kept for kept in self._selected(selection) if all or kept.open]
        return [self._row(kept) for kept in found[:limit]]

    def counts(self) -> Mapping[State, int]:
        """Return how many deliveries are in each state."""
        return Counter(kept.delivery.state for kept in self._memory.deliveries.values())

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
        moved = [
            kept
            for kept in self._selected(selection)
            if kept.delivery.state in states and not _being_sent(kept, now)
        ]
        due = now if to is State.QUEUED else None
        for kept in moved:
            kept.delivery = replace(kept.delivery, state=to, due=due)
            kept.why = ""
            kept.claimed_by = kept.was_due = None
            self._memory.journal.append(_by_hand(kept, now))
        for message in {kept.delivery.message for kept in moved}:
            self._memory.let_go(message)
        return len(moved)

    def _selected(self, selection: Selection) -> list[Kept]:
        if selection.id is not None and delivery_of(selection.id) is None:
            return []
        found = sorted(self._memory.deliveries.items())
        return [kept for _, kept in found if self._fits(kept, selection)]

    def _fits(self, kept: Kept, selection: Selection) -> bool:
        row = self._row(kept)
        domain = row.recipient.rpartition("@")[2]
        pairs = [
            (selection.sender, row.sender),
            (selection.recipient, row.recipient),
            (selection.domain and selection.domain.removeprefix("@"), domain),
        ]
        key = delivery_of(selection.id) if selection.id else None
        return (
            all(want is None or want.lower() == has.lower() for want, has in pairs)
            and selection.route in {None, row.route}
            and selection.cause in {None, row.cause}
            and (selection.site is None or selection.site.lower() == row.site.lower())
            and selection.state in {None, row.state}
            and (key is None or key[0] == kept.delivery.message)
            and (key is None or key[1] in {None, kept.delivery.number})
        )

    def _row(self, kept: Kept) -> QueueRow:
        delivery = kept.delivery
        message = self._memory.messages[delivery.message]
        return QueueRow(
            id=f"{spell(delivery.message)}-{delivery.number}",
            message=spell(delivery.message),
            sender=message.envelope.return_path,
            recipient=str(delivery.recipient.address),
            state=delivery.state,
            attempts=delivery.attempts,
            next_attempt=delivery.due,
            route=kept.route,
            cause=kept.cause,
            reply=kept.reply,
            sending=kept.claimed_by is not None,
            site=kept.site,
            why=kept.why,
            lane=message.lane,
            priority=message.demands.priority,
        )

    # --- inbox ----------------------------------------------------------------------------

    def captured(self, *, limit: int) -> list[CapturedMessage]:
        """Return captured messages, newest first."""
        newest = sorted(self._memory.messages, reverse=True)
        found = (self.captured_message(message) for message in newest)
        return [message for message in found if message is not None][:limit]

    def captured_message(self, id: QueueId) -> CapturedMessage | None:
        """Return one, or None."""
        recipients = [
            str(kept.delivery.recipient.address)
            for kept in self._memory.of(id)
            if kept.delivery.state is State.CAPTURED
        ]
        if not recipients:
            return None
        return CapturedMessage(message=self._memory.messages[id], recipients=tuple(recipients))

    def source(self, id: QueueId) -> Content:
        """Return a captured message exactly as it would have gone out; raise `Conflict`."""
        if self.captured_message(id) is None:
            raise Conflict("there is no such message in the inbox")
        return self._memory.content(id)

    def clear(self) -> int:
        """Delete all captured messages; return how many.

        A message that also went elsewhere stays without the deliveries that were captured.
        """
        deliveries = self._memory.deliveries
        gone = [key for key, kept in deliveries.items() if kept.delivery.state is State.CAPTURED]
        for key in gone:
            del deliveries[key]
        messages = {message for message, _ in gone}
        self._remove(message for message in messages if not self._memory.of(message))
        for message in messages:
            self._memory.let_go(message)
        return len(messages)

    # --- story ----------------------------------------------------------------------------

    def find(self, query: str, *, limit: int) -> list[QueueId]:
        """Return messages by queue id, Message-ID, sender or recipient, newest first."""
        messages = self._memory.messages
        named = delivery_of(query)
        if named is not None and named[0] in messages:
            return [named[0]]
        for spelling in spellings_of(query):
            found = [key for key, each in messages.items() if spelling in words_of(each)]
            if found:
                return sorted(found, reverse=True)[:limit]
        return []

    def life(self, id: QueueId) -> Life | None:
        """Return everything that is known of one message, or None."""
        message = self._memory.messages.get(id)
        if message is None:
            return None
        of_it = self._memory.of(id)
        attempts = [(kept.delivery.number, each) for kept in of_it for each in kept.attempts]
        return Life(
            message=message,
            deliveries=tuple(self._row(kept) for kept in of_it),
            happenings=tuple(
                _happening(entry) for entry in self._memory.journal if entry.message == id
            ),
            attempts=tuple(sorted(attempts, key=lambda each: (each[1].at, each[0]))),
        )

    def journal(self, *, kind: str | None, since: float, limit: int) -> list[Happening]:
        """Return entries, newest first."""
        found = [
            _happening(entry)
            for entry in reversed(self._memory.journal)
            if entry.at >= since and kind in {None, entry.kind}
        ]
        return sorted(found, key=lambda happening: -happening.at)[:limit]

    # --- housekeeping ---------------------------------------------------------------------

    def record(self, entry: Entry) -> None:
        """Append one entry by itself."""
        self._memory.journal.append(entry)

    def forget(self, *, before: float) -> int:
        """Delete finished messages received before then, and journal entries; return how many."""
        memory = self._memory
        old = [
            key
            for key, message in memory.messages.items()
            if message.received < before and not any(kept.open for kept in memory.of(key))
        ]
        self._remove(old)
        memory.journal[:] = [entry for entry in memory.journal if entry.at >= before]
        return len(old)

    def tidy(self, *, now: float, released_slots: Sequence[int]) -> None:
        """Release the claims of dead slots and delete body files that no message owns."""
        for (message, number), kept in self._memory.deliveries.items():
            if kept.claimed_by in released_slots:
                kept.let_loose()
                kept.delivery = replace(kept.delivery, state=State.UNCERTAIN)
                kept.cause, kept.why = Cause.SERVER.value, LEFT_IN_DOUBT
                found = kept.delivery
                to, tried = str(found.recipient.address), found.attempts
                self._memory.journal.append(
                    left_in_doubt(now, message, number, to, kept.route, tried, found.due)
                )
        suppressions = self._memory.suppressions
        for key, one in list(suppressions.items()):
            if one.expires is not None and one.expires <= now:
                del suppressions[key]
        bodies = self._memory.kept_bodies.values()
        owned = {body.name for body in bodies if isinstance(body, StoredBody)}
        for file in self.bodies.old_files(now=now):
            if file not in owned:
                self.bodies.delete(file)

    def close(self) -> None:
        """Have nothing to do."""

    def _remove(self, ids: Iterable[QueueId]) -> None:
        memory = self._memory
        for key in list(ids):
            body = memory.kept_bodies.pop(key, None)
            if isinstance(body, StoredBody):
                self.bodies.delete(body.name)
            del memory.messages[key], memory.headers[key]
            for kept in memory.of(key):
                del memory.deliveries[key, kept.delivery.number]


def _being_sent(kept: Kept, now: float) -> bool:
    due = kept.delivery.due
    return kept.claimed_by is not None and due is not None and due > now


def _by_hand(kept: Kept, now: float) -> Entry:
    delivery = kept.delivery
    return Settled(
        at=now,
        message=delivery.message,
        delivery=delivery.number,
        recipient=str(delivery.recipient.address),
        state=delivery.state.value,
        route=kept.route,
        attempts=delivery.attempts,
        why="by hand",
        next_attempt=delivery.due,
    )


def _happening(entry: Entry) -> Happening:
    return Happening(at=entry.at, kind=entry.kind, message=entry.message, data=entry.data())
