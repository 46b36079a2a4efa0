"""What happened: the entries of the journal, from which logs, traces and metrics are made.

An entry is never edited, only appended, in the same transaction as the change it tells of.
`kind` is its name in the journal; the fields are its data, all of them JSON values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from .queue_id import QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact; `at` is seconds since 1970 (UTC), `message` the queue id it is about, if any."""

    kind: ClassVar[str]
    at: float
    message: QueueId | None = None

    def data(self) -> dict[str, object]:
        """Return everything but time and message, without what is empty."""
        names = _names(type(self))
        return {name: value for name in names if (value := getattr(self, name)) not in _EMPTY}


_EMPTY = ("", None, ())
_NAMES: dict[type[Entry], tuple[str, ...]] = {}


def _names(kind: type[Entry]) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(f.name for f in fields(kind) if f.name not in {"at", "message"})
    return _NAMES[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Entry):
    """We took responsibility for a message.  `size` is in octets."""

    kind: ClassVar[str] = "accepted"
    account: str
    sender: str
    recipients: int
    size: int
    peer: str = ""
    helo: str = ""
    listener: str = ""
    tls: str = ""
    credential: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Entry):
    """We said no to a client; `stage` is the command it answered."""

    kind: ClassVar[str] = "refused"
    stage: str
    rule: str
    cause: str
    reply: str
    why: str
    account: str = ""
    peer: str = ""
    helo: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Entry):
    """An account proved who it is; `credential` names the app password, or "password"."""

    kind: ClassVar[str] = "signed-in"
    account: str
    credential: str
    mechanism: str
    peer: str
    helo: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Entry):
    """A client is set up wrongly; `fix` says how to set it right."""

    kind: ClassVar[str] = "finding"
    rule: str
    cause: str
    why: str
    peer: str
    listener: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Entry):
    """An attempt ended, or a delivery changed by hand; `state` is what it came to.

    `next_attempt` is seconds since 1970, or None; `remote` is host and address of the peer;
    `reading` is the entry of the catalogue that knew the reply.
    """

    kind: ClassVar[str] = "settled"
    delivery: int
    recipient: str
    state: str
    route: str = ""
    attempts: int = 0
    remote: str = ""
    tls: str = ""
    reply: str = ""
    cause: str = ""
    why: str = ""
    reading: str = ""
    next_attempt: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified(Entry):
    """A notice (RFC 3464) was queued: `notice` is its queue id, `action` what it reports."""

    kind: ClassVar[str] = "notified"
    notice: str
    action: str
    recipients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack(Entry):
    """Something came back about a message that had left us, or to an address of our own.

    `what` is bounce, delay, success, complaint, unsubscribe, answer (of a vacation program),
    feedback, report or nothing (nobody could read it); `delivery` is 0 where it names no
    delivery of the message.  `peer` is the address of the server that brought it.
    """

    kind: ClassVar[str] = "came-back"
    what: str
    delivery: int = 0
    recipient: str = ""
    state: str = ""
    cause: str = ""
    reply: str = ""
    remote: str = ""
    why: str = ""
    peer: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Administered(Entry):
    """Somebody changed something by hand; `what` is the command, `subject` what it changed."""

    kind: ClassVar[str] = "administered"
    what: str
    subject: str
    detail: str = ""
