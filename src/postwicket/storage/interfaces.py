"""What the rest of the server needs from a database, and nothing more.

Two kinds of promise.  `Queue` is the hot path, used by the workers on their event loop: its
methods return futures, and a future that has a result means that the change is on stable
storage.  `Directory`, `Desk`, `Inbox` and `Story` are for people and for sign-in: plain calls
that answer at once, from the command line too, while the server runs and while it does not.

Times are seconds since 1970 in UTC.  Every method may raise `StorageUnavailable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from postwicket.core.entry import Entry
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State
from postwicket.core.tls_result import TlsResult

from .directory import Directory, Domains
from .values import (
    CapturedMessage,
    Charge,
    Claimed,
    ComeBack,
    Delivery,
    Happening,
    Life,
    Message,
    NewMessage,
    OverLimit,
    QueueRow,
    Selection,
    Settlement,
    Suppression,
)


class StorageUnavailable(Exception):
    """We cannot keep a promise now (disk full, database locked or broken); answer 452 4.3.1."""


class Conflict(Exception):
    """What was to be made exists already, or what was to be changed does not; says which."""


# --- content ------------------------------------------------------------------------------


class Content(Protocol):
    """The bytes of a message, header first; may be far larger than memory should be.

    Lines end with CR LF, save in a BINARYMIME body.
    """

    @property
    def size(self) -> int:
        """Octets in all."""
        ...

    @property
    def header(self) -> bytes:
        """The header fields, each with its CR LF, without the empty line that follows them."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """Yield everything in order in pieces of at most 256 KiB, reading as it goes."""
        ...


# --- the queue ----------------------------------------------------------------------------


class Queue(Protocol):
    """A durable list of deliveries, for the workers.

    A future's result means "on stable storage"; `StorageUnavailable` as its exception means
    that nothing of the unit was written.  A claim is a lease: when its holder dies, the
    delivery is due again when the lease ends or the claims of its slot are released, so a
    delivery may happen twice but never not at all.
    """

    def accept(self, new: NewMessage) -> asyncio.Future[OverLimit | None]:
        """Store message, deliveries, charge and entry: all of them, or none.

        The result is None when the message is kept, `OverLimit` when the charge does not fit
        (then nothing was stored).  `Conflict` when there is a message of this id.  The file of
        a `StoredBody` that was not kept is the caller's to discard.
        """
        ...

    def claim(
        self, slot: int, *, now: float, lease_until: float, limit: int
    ) -> asyncio.Future[list[Claimed]]:
        """Take up to `limit` deliveries that are due and unclaimed, the most urgent first.

        Of the same urgency (`policy.lane`), the longest due come first.  A quarter of `limit` is
        for bulk as long as bulk is due, so that it goes on slowly whatever else there is.
        Writes nothing when nothing is due.
        """
        ...

    def settle(
        self, settlements: Sequence[Settlement], notices: Sequence[NewMessage] = ()
    ) -> asyncio.Future[int]:
        """Finish attempts and store the notices that follow from them, in one transaction.

        The result counts the settlements that took effect.  Notices are stored only when at
        least one did, and are not charged.  The body of a message whose last delivery is final
        is let go, unless a delivery of it was captured.
        """
        ...

    def give_back(self, slot: int, deliveries: Sequence[Delivery]) -> asyncio.Future[None]:
        """Release claims without an attempt: due again at their old time, for anybody."""
        ...

    def renew(self, slot: int, *, lease_until: float) -> asyncio.Future[None]:
        """Extend every claim of `slot`."""
        ...

    def come_back(self, returned: ComeBack) -> asyncio.Future[bool]:
        """Store what came back about a message that had left us, in one transaction.

        The result is True when it changed the delivery; see `ComeBack` for what is written.
        """
        ...

    def state_of(self, id: QueueId, number: int) -> State | None:
        """Return how a delivery stands, or None.  Cheap."""
        ...

    def suppressed(
        self, addresses: Sequence[str], lane: str, *, now: float
    ) -> dict[str, Suppression]:
        """Return why some of these canonical addresses are not written to in this lane.  Cheap."""
        ...

    def count_tls(self, results: Sequence[TlsResult]) -> None:
        """Count how sessions were secured, within about a second; nobody waits for it."""
        ...

    def record(self, entry: Entry) -> None:
        """Append an entry with the next batch; nobody waits for it."""
        ...

    def next_due(self) -> float | None:
        """Return when `claim` may next find something, or None.  Cheap.

        That is when the earliest unclaimed delivery is due, or a claim ends before that.
        """
        ...

    def usage(self, account: int, *, now: float) -> tuple[int, int]:
        """Return (messages, recipients) of the account in the last 24 hours.  Cheap."""
        ...

    def room_at(self, charge: Charge, *, now: float) -> OverLimit | None:
        """Say what `accept` would say to this charge now, without storing anything."""
        ...

    def content(self, id: QueueId) -> Content:
        """Return the bytes of a message; raise `Conflict` when they have been let go."""
        ...

    def message(self, id: QueueId) -> Message | None:
        """Return a message, or None."""
        ...

    async def close(self) -> None:
        """Write what is pending, then stop."""
        ...


# --- for people ---------------------------------------------------------------------------


class Desk(Protocol):
    """The queue as an operator sees and changes it.

    A delivery that is being sent (its claim has not ended) is left alone by every change,
    because what would be written could be untrue by then; the count tells.  Each change is in
    the journal as `Settled`.  Many are changed in portions, so that mail comes in meanwhile.
    """

    def rows(self, selection: Selection, *, limit: int, all: bool = False) -> list[QueueRow]:
        """Return waiting and held deliveries, oldest first; with `all`, final ones too."""
        ...

    def counts(self) -> Mapping[State, int]:
        """Return how many deliveries are in each state."""
        ...

    def retry(self, selection: Selection, *, now: float) -> int:
        """Make waiting deliveries due now; return how many."""
        ...

    def hold(self, selection: Selection, *, now: float) -> int:
        """Stop waiting deliveries until `release`; return how many."""
        ...

    def release(self, selection: Selection, *, now: float) -> int:
        """Make held deliveries due now; return how many."""
        ...

    def cancel(self, selection: Selection, *, now: float) -> int:
        """End waiting or held deliveries without a notice; return how many."""
        ...


class Suppressions(Protocol):
    """The addresses that are not written to.  Addresses are canonical.

    Whoever changes them records it (`Store.record`).
    """

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
        ...

    def suppress(self, *suppressions: Suppression) -> None:
        """Write to addresses no more, all or none; what holds for good stays.

        The workers know within a second.
        """
        ...

    def unsuppress(self, address: str, lane: str | None = None) -> int:
        """Write to an address again, in one lane or in any; return how many were taken away."""
        ...


class TlsReports(Protocol):
    """How sessions were secured, counted by day, and who reports it (RFC 8460).

    A day is YYYY-MM-DD in UTC.
    """

    def tls_results(self, day: str) -> list[TlsResult]:
        """Return what was counted on a day, by domain."""
        ...

    def claim_tls_report(self, day: str, domain: str, *, now: float, lease_until: float) -> bool:
        """Take the sending of a report upon oneself; False when somebody has, or has sent it.

        The claim ends with the lease, so that somebody else sends it if the claimant dies.
        """
        ...

    def sent_tls_report(self, day: str, domain: str, *, now: float) -> None:
        """Say that a report is on its way: nobody sends it again."""
        ...

    def forget_tls_results(self, *, before_day: str) -> None:
        """Delete what was counted, and who reported it, on the days before one."""
        ...


class Inbox(Protocol):
    """Mail that was captured instead of sent."""

    def captured(self, *, limit: int) -> list[CapturedMessage]:
        """Return captured messages, newest first."""
        ...

    def captured_message(self, id: QueueId) -> CapturedMessage | None:
        """Return one, or None."""
        ...

    def source(self, id: QueueId) -> Content:
        """Return a captured message exactly as it would have gone out; raise `Conflict`."""
        ...

    def clear(self) -> int:
        """Delete all captured messages; return how many.

        A message that also went elsewhere stays without the deliveries that were captured.
        """
        ...


class Story(Protocol):
    """What became of messages."""

    def find(self, query: str, *, limit: int) -> list[QueueId]:
        """Return messages by queue id, Message-ID, sender or recipient, newest first."""
        ...

    def life(self, id: QueueId) -> Life | None:
        """Return everything that is known of one message, or None."""
        ...

    def journal(self, *, kind: str | None, since: float, limit: int) -> list[Happening]:
        """Return entries, newest first."""
        ...


class Store(Directory, Domains, Desk, Suppressions, TlsReports, Inbox, Story, Protocol):
    """Everything that people and sign-in need, behind one open database."""

    def record(self, entry: Entry) -> None:
        """Append one entry by itself; returns when it is on stable storage.

        The command line tells with it what it changed, where nothing else tells.
        """
        ...

    def forget(self, *, before: float) -> int:
        """Delete finished messages received before then, and journal entries; return how many."""
        ...

    def tidy(self, *, now: float, released_slots: Sequence[int]) -> None:
        """Release the claims of dead slots and delete body files that no message owns.

        Nobody knows which of the deliveries that they held had been sent whole already: each
        becomes `uncertain`, the journal says so, and it is due again at its old time.
        """
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
