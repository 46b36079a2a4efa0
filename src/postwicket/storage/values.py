"""What goes into a database and comes out of it: plain values, the same for every keeper.

Times are seconds since 1970 in UTC.  A value promises nothing by itself: what is kept, and when,
is said in `interfaces`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postwicket.core.address import Address
from postwicket.core.entry import Entry
from postwicket.core.envelope import NO_DEMANDS, Demands, Envelope, Recipient
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State


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
    demands: Demands = NO_DEMANDS


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
    them from memory); without, they are due for anybody, at once or at `not_before`.
    """

    message: Message
    header: bytes
    body: SmallBody | StoredBody
    entry: Entry
    charge: Charge | None = None
    claimed_by: int | None = None
    lease_until: float = 0.0
    not_before: float = 0.0


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
    """One try of a delivery: when, with whom, what was said.  The transcript is redacted.

    `tls` is version, cipher and the peer's name; `trust` why the peer was believed, "" where it
    was not.
    """

    at: float
    seconds: float
    route: str
    remote: str
    tls: str
    reply: str
    transcript: str
    trust: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of an attempt: the delivery's new state, and when it is due again if it is.

    It takes effect only while `claimed_by` still holds the delivery and `delivery.attempts` is
    its count, so that a worker whose lease has ended cannot overwrite what came after it.
    The count grows by one when there is an `attempt`; the claim ends; `due` is ignored where
    the state is final or held.  `entry` is None where nothing happened but that it waits on.
    `site` is the set of exchangers that it goes to, `why` what it waits for, in words.
    """

    delivery: Delivery
    claimed_by: int
    state: State
    due: float | None
    attempt: Attempt | None
    entry: Entry | None
    route: str = ""
    cause: str = ""
    reply: str = ""
    warned: bool = False
    site: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that is not written to.

    `address` is canonical; `lane` is "transactional", "bulk", or "" for both; `reason` is
    bounce, complaint, unsubscribe or manual; `detail` what was said; `expires` is None where
    it holds until somebody takes it away.
    """

    address: str
    lane: str = ""
    reason: str = "manual"
    detail: str = ""
    message: QueueId | None = None
    created: float
    expires: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComeBack:
    """Something that came back about a message, stored in one transaction.

    The delivery is named by its `number`, else by its `recipient`.  `state` is what it becomes.
    Where the delivery is unknown, or the state machine knows no such move, only the entry is
    written, and neither suppression nor notices: what is told twice counts once.  Without a
    `state`, entry and suppression are written, and nothing else changes.
    """

    message: QueueId
    recipient: Address | None = None
    number: int | None = None
    state: State | None = None
    cause: str = ""
    reply: str = ""
    entry: Entry
    suppression: Suppression | None = None
    notices: Sequence[NewMessage] = ()

    def names(self, recipient: str) -> bool:
        """Say whether a recipient, as it is spelled, is the one that is meant."""
        return self.recipient is not None and Address.parse(recipient) == self.recipient


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
    site: str = ""
    why: str = ""
    lane: str = "transactional"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries a command is about; what is None does not restrict.

    `id` is a queue id ("all its deliveries") or a delivery id.  `sender` and `recipient` are
    addresses; `domain` is the recipient's; `cause` is a value of `Cause`; `site` is a name that
    `queue list` shows.
    """

    id: str | None = None
    sender: str | None = None
    recipient: str | None = None
    domain: str | None = None
    route: str | None = None
    cause: str | None = None
    site: str | None = None
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedMessage:
    """One message of the local inbox: `recipients` are those it was captured for."""

    message: Message
    recipients: tuple[str, ...]


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
