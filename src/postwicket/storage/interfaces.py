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
from dataclasses import dataclass, field
from typing import Protocol

from postwicket.core.entry import Entry
from postwicket.core.envelope import Envelope, Recipient
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State
from postwicket.identity.account import Account, AppPassword, Grant, Limits


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


@dataclass(frozen=True, slots=True)
class SmallBody:
    """What follows the header fields, empty line included, in memory: at most 64 KiB."""

    data: bytes

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class StoredBody:
    """What follows the header fields, empty line included, in a synced file of the body store.

    `name` is the file's name below the body store's folder.
    """

    name: str
    size: int


# --- the queue ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What was submitted, without its bytes.  `expires` is when waiting ends for good."""

    id: QueueId
    account: str  # canonical address, or "" for the server's own notices
    envelope: Envelope
    size: int
    received: float
    expires: float
    message_id: str = ""
    subject: str = ""
    lane: str = "transactional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What a message costs its account: counted against rolling limits in the same transaction."""

    account: int
    messages: int
    recipients: int
    messages_per_day: int
    recipients_per_day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message with its bytes, on its way into the queue.

    Its recipients become deliveries 1, 2, … in the envelope's order, all in state `queued`.
    With `claimed_by` they are claimed from birth until `lease_until` (the acceptor delivers
    them from memory); without, they are due at once for anybody.
    """

    message: Message
    header: bytes
    body: SmallBody | StoredBody
    entry: Entry
    charge: Charge | None = None
    claimed_by: int | None = None
    lease_until: float = 0.0


@dataclass(frozen=True, slots=True)
class OverLimit:
    """The account has used up its day; `room_at` is when enough use has left the window."""

    what: str  # "messages" or "recipients"
    limit: int
    room_at: float  # when there is room for this charge, or the window is empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way to one recipient.

    `attempts` counts those that ended; `due` is the next attempt (or the end of the claim),
    None in a final or held state.  `warned` is whether a delay notice was sent.
    """

    message: QueueId
    number: int
    recipient: Recipient
    state: State = State.QUEUED
    attempts: int = 0
    due: float | None = None
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message and those of its deliveries that the claimant now holds."""

    message: Message
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a delivery: when, with whom, what was said.  The transcript is redacted."""

    at: float
    seconds: float
    route: str
    remote: str
    tls: str
    reply: str
    transcript: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of an attempt: the delivery's new state, and when it is due again if it is.

    It takes effect only while `claimed_by` still holds the delivery and `delivery.attempts` is
    its count, so that a worker whose lease has ended cannot overwrite what came after it.
    The count grows by one when there is an `attempt`; the claim ends; `due` is ignored where
    the state is final or held.
    """

    delivery: Delivery
    claimed_by: int
    state: State
    due: float | None
    attempt: Attempt | None
    entry: Entry
    route: str = ""
    cause: str = ""
    reply: str = ""
    warned: bool = False


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
        """Take up to `limit` deliveries that are due and unclaimed, longest due first.

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


# --- accounts -----------------------------------------------------------------------------


class Directory(Protocol):
    """Accounts and their app passwords.  Addresses are canonical.

    Whoever changes them records it (`Store.record`).
    """

    def generation(self) -> int:
        """Return a number that differs after every change to any account; costs next to nothing.

        Live sessions ask it before each command, so that `suspend` and `revoke` stop them.
        """
        ...

    def account(self, address: str) -> Account | None:
        """Return the account, or None."""
        ...

    def accounts(self) -> list[Account]:
        """Return all accounts, by address."""
        ...

    def add_account(self, address: str, *, name: str, password_hash: str, now: float) -> Account:
        """Make an account; raise `Conflict` if it exists."""
        ...

    def change_account(
        self,
        address: str,
        *,
        suspended: bool | None = None,
        password_hash: str | None = None,
        password_over_smtp: bool | None = None,
        limits: Limits | None = None,
    ) -> Account:
        """Change what is not None; raise `Conflict` if there is no such account."""
        ...

    def remove_account(self, address: str) -> None:
        """Delete the account, its grants and app passwords; raise `Conflict`.  Mail stays."""
        ...

    def grant(self, address: str, grant: Grant) -> Account:
        """Give a right to write as; raise `Conflict` if there is no such account."""
        ...

    def withdraw(self, address: str, grant: Grant) -> Account:
        """Take a right away; raise `Conflict` if it was not given."""
        ...

    def add_app_password(
        self, address: str, *, label: str, fingerprint: bytes, now: float
    ) -> AppPassword:
        """Record an app password; raise `Conflict` if there is no such account."""
        ...

    def app_passwords(self, address: str) -> list[AppPassword]:
        """Return all of the account's app passwords, oldest first, revoked ones too."""
        ...

    def revoke_app_password(self, address: str, id: int, *, now: float) -> AppPassword:
        """End an app password at once; raise `Conflict` if the account has none such."""
        ...

    def used_app_password(self, id: int, *, now: float, peer: str) -> None:
        """Remember the last use.  May be late by a batch; never makes a sign-in wait."""
        ...


# --- for people ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One delivery as `queue list` shows it; `id` is "QUEUEID-NUMBER"."""

    id: str
    message: str
    sender: str
    recipient: str
    state: State
    attempts: int
    next_attempt: float | None
    route: str
    cause: str
    reply: str
    sending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries a command is about; what is None does not restrict.

    `id` is a queue id ("all its deliveries") or a delivery id.  `sender` and `recipient` are
    addresses; `domain` is the recipient's; `cause` is a value of `Cause`.
    """

    id: str | None = None
    sender: str | None = None
    recipient: str | None = None
    domain: str | None = None
    route: str | None = None
    cause: str | None = None
    state: State | None = None


class Desk(Protocol):
    """The queue as an operator sees and changes it.

    A delivery that is being sent (its claim has not ended) is left alone by every change,
    because what would be written could be untrue by then; the count tells.  Each change is in
    the journal as `Settled`.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedMessage:
    """One message of the local inbox: `recipients` are those it was captured for."""

    message: Message
    recipients: tuple[str, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An entry read back from the journal."""

    at: float
    kind: str
    message: QueueId | None
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The life of one message: what is known of it, in order."""

    message: Message
    deliveries: tuple[QueueRow, ...]
    happenings: tuple[Happening, ...]
    attempts: tuple[tuple[int, Attempt], ...] = field(default=())  # (delivery number, attempt)


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


class Store(Directory, Desk, Inbox, Story, Protocol):
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
        """Release the claims of dead slots and delete body files that no message owns."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
