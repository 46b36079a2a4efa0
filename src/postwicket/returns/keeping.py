"""Putting on stable storage what came back: every 250 on port 25 is a promise, too.

A notice, a complaint or an unsubscribe changes its delivery in one transaction with everything
that follows from it; mail for people is queued to where they read it, or kept in the local
inbox.  Nothing is ever answered: who wrote may be a lie, and an answer would hit somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from postwicket.core.address import Address
from postwicket.core.clock import Clock
from postwicket.core.entry import Accepted, Entry
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.core.state import State
from postwicket.delivery.bounce import Bounces
from postwicket.delivery.route import INBOUND
from postwicket.diagnosis.catalogue import catalogue
from postwicket.message.comeback import Comeback
from postwicket.message.feedback import Report
from postwicket.message.header import Header
from postwicket.storage.bodies import SmallContent
from postwicket.storage.interfaces import Conflict, Content
from postwicket.storage.values import (
    ComeBack,
    Message,
    NewMessage,
    OverLimit,
    SmallBody,
    StoredBody,
)
from postwicket.trust.return_path import Purpose, Returned

from .changes import Arrival, Change, bounced, complained, noted, unsubscribed
from .matching import by_delivery, is_personal, number_of

LOOK_EVERY: Final = 0.1  # seconds
LOOKS: Final = 50
_UNDER_WAY: Final = frozenset({State.QUEUED, State.DEFERRED})
MOST_REMEMBERED: Final = 10_000  # successes that were passed on


class TooEarly(Exception):
    """Word came back of a delivery that we have not written down as made; it has to come again."""


class Ledger(Protocol):
    """What this room needs of the queue (`storage.interfaces.Queue`)."""

    def accept(self, new: NewMessage) -> asyncio.Future[OverLimit | None]:
        """Store a message."""
        ...

    def come_back(self, returned: ComeBack) -> asyncio.Future[bool]:
        """Store what came back; True when it changed the delivery."""
        ...

    def state_of(self, id: QueueId, number: int) -> State | None:
        """Return how a delivery stands, or None."""
        ...

    def record(self, entry: Entry) -> None:
        """Append an entry with the next batch; nobody waits for it."""
        ...

    def content(self, id: QueueId) -> Content:
        """Return the bytes of a message; raise `Conflict` when they have been let go."""
        ...


class Keeping:
    """Stores what came back, for one process.  Its calls return when it is on stable storage.

    `suppress_for` and `expire` are seconds: how long an address that does not exist is not
    written to, and how long mail for people waits.
    """

    def __init__(
        self,
        ledger: Ledger,
        bounces: Bounces,
        ids: QueueIds,
        *,
        suppress_for: float,
        postmaster: Address | None,
        expire: float,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._bounces = bounces
        self._ids = ids
        self._suppress_for = suppress_for
        self._postmaster = postmaster
        self._expire = expire
        self._clock = clock
        self._passed_on: dict[tuple[QueueId, int], None] = {}

    async def notice(
        self, message: Message, returned: Returned, comeback: Comeback, arrival: Arrival
    ) -> None:
        """Keep what a notice says, each delivery by itself; may raise `TooEarly`."""
        changes = [
            bounced(
                message,
                number,
                fates,
                suppress_for=self._suppress_for,
                arrival=arrival,
                personal=is_personal(message, returned),
                catalogue=catalogue(),
            )
            for number, fates in by_delivery(message, returned, comeback.fates).items()
        ]
        for number in {one.come_back.number or 0 for one in changes}:
            await self._written_down(message, number)
        await asyncio.gather(*(self._store(message, one, comeback) for one in changes))

    async def complaint(
        self, message: Message, returned: Returned | None, report: Report, arrival: Arrival
    ) -> None:
        """Keep what a feedback report says; may raise `TooEarly`.

        `returned` is None where no seal tells which message it is about, but its own words do.
        """
        known = returned or Returned(Purpose.BOUNCE, message.id)
        number = number_of(message, known, report.recipients)
        await self._written_down(message, number)
        personal = is_personal(message, returned)
        change = complained(message, number, report, arrival, personal=personal)
        await self._ledger.come_back(change.come_back)

    async def unsubscribe(
        self, message: Message, returned: Returned, how: str, arrival: Arrival
    ) -> bool:
        """Keep that somebody wants no more bulk mail; False when whom it is about is unknown.

        It holds whatever became of the message: a wish is no report about a delivery.
        """
        change = unsubscribed(message, number_of(message, returned), how, arrival).come_back
        if not await self._ledger.come_back(change) and change.state is not None:
            await self._ledger.come_back(replace(change, state=None))
        return change.state is not None

    async def note(self, message: Message, what: str, why: str, arrival: Arrival) -> None:
        """Keep that something came that changes nothing."""
        entry = noted(message, what, why, arrival)
        await self._ledger.come_back(ComeBack(message=message.id, entry=entry))

    async def mail(
        self,
        sender: Sender,
        recipients: Sequence[Recipient],
        header: Header,
        body: SmallBody | StoredBody,
        *,
        id: QueueId,
        trace: bytes,
        arrival: Arrival,
    ) -> None:
        """Keep mail for people: on its way to them, or in the local inbox.

        `trace` is our Received field.  It leaves with the empty return path: if it cannot be
        delivered, nobody is told who may never have written.
        """
        named = header.first("message-id")
        subject = header.first("subject")
        kept = b"" if self._postmaster else _return_path(sender)
        whole = kept + trace + header.raw
        to = (Recipient(self._postmaster),) if self._postmaster else tuple(recipients)
        message = Message(
            id=id,
            account="" if self._postmaster else INBOUND,
            envelope=Envelope(replace(sender, address=None, size=None, ret="", envid=""), to),
            size=len(whole) + body.size,
            received=arrival.at,
            expires=arrival.at + self._expire,
            message_id=named.value.decode("utf-8", "replace").strip("<>") if named else "",
            subject=subject.text[:300] if subject else "",
        )
        entry = Accepted(
            at=arrival.at,
            message=id,
            account=INBOUND,
            sender=str(sender.address or ""),
            recipients=len(to),
            size=message.size,
            peer=arrival.peer,
            listener=arrival.listener,
        )
        await self._ledger.accept(
            NewMessage(message=message, header=whole, body=body, entry=entry)
        )

    def next_id(self) -> QueueId:
        """Return the id of the next message that is kept."""
        return self._ids.next(self._clock())

    # --- inside -----------------------------------------------------------------------------

    async def _written_down(self, message: Message, number: int) -> None:
        """Wait until our own side of a delivery is stored: a quick bounce can be ahead of it."""
        for _ in range(LOOKS):
            if self._ledger.state_of(message.id, number) not in _UNDER_WAY:
                return
            await asyncio.sleep(LOOK_EVERY)
        raise TooEarly

    async def _store(self, message: Message, change: Change, comeback: Comeback) -> None:
        """Store one change, and tell the sender what they asked to hear."""
        result = change.result
        notices = (
            self._bounces.notices(message, lambda: self._content(message, comeback), [result])
            if result is not None
            else ()
        )
        new = tuple(notice for notice, _ in notices)
        if change.come_back.state is State.FAILED:
            changed = await self._ledger.come_back(replace(change.come_back, notices=new))
        else:
            changed = await self._ledger.come_back(change.come_back) or self._is_news(change)
            if changed:
                await asyncio.gather(*(self._ledger.accept(one) for one in new))
        if changed:
            for _, told in notices:
                self._ledger.record(told)

    def _is_news(self, change: Change) -> bool:
        """Say whether a success, which changes nothing, has not been passed on yet."""
        if change.result is None:
            return False
        key = (change.come_back.message, change.come_back.number or 0)
        if key in self._passed_on:
            return False
        if len(self._passed_on) >= MOST_REMEMBERED:
            self._passed_on.pop(next(iter(self._passed_on)))
        self._passed_on[key] = None
        return True

    def _content(self, message: Message, comeback: Comeback) -> Content:
        """Return the message, or its header as it came back once we have let it go."""
        try:
            return self._ledger.content(message.id)
        except Conflict:
            if not comeback.returned_header:
                raise
            return SmallContent(comeback.returned_header, b"")


def _return_path(sender: Sender) -> bytes:
    """Return the field that final delivery adds (RFC 5321, section 4.4)."""
    return f"Return-Path: <{sender.address or ''}>\r\n".encode()
