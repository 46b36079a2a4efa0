"""The envelope: who sends to whom, and how they hear of it.  Never guessed from headers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from .address import Address


class Body(Enum):
    """What the content may hold (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Notify(Enum):
    """When the sender wants a notice about a recipient (RFC 3461, section 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT TO.

    `notify` is empty where the client said nothing (then FAILURE and DELAY are meant);
    `orcpt` is the original recipient as `type;xtext`, exactly as it was given, or "".
    """

    address: Address
    notify: frozenset[Notify] = frozenset()
    orcpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What MAIL FROM asks of the way and the time, as it was said.

    `require_tls` is REQUIRETLS (RFC 8689).  `hold_for` (seconds) and `hold_until` (seconds since
    1970) are FUTURERELEASE (RFC 4865), at most one of them set.  `by` is DELIVERBY's time in
    seconds from the end of MAIL (RFC 2852), zero or less only with mode `N`; `by_mode` is "N"
    (tell me when it is late), "R" (return it then) or "" without BY; `by_trace` asks for a notice
    at each relay.  `priority` is MT-PRIORITY (RFC 6710), -9 to 9, higher first.
    """

    require_tls: bool = False
    hold_for: int | None = None
    hold_until: float | None = None
    by: int | None = None
    by_mode: str = ""
    by_trace: bool = False
    priority: int = 0


NO_WISHES: Final = Wishes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the mail demands of its way, resolved by the door and kept with the message.

    `tls_optional` is the field `TLS-Required: No` (RFC 8689, section 5); `not_before` (0.0: it
    may leave at once) and `deliver_by` are in seconds since 1970; the others are as in `Wishes`.
    """

    require_tls: bool = False
    tls_optional: bool = False
    not_before: float = 0.0
    deliver_by: float | None = None
    by_mode: str = ""
    by_trace: bool = False
    priority: int = 0


NO_DEMANDS: Final = Demands()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One MAIL FROM; `address` is None for the empty return path `<>`.

    `size` is the declared size in octets, or None; `ret` is "FULL", "HDRS" or ""; `envid` is
    the envelope id in xtext as it was given, or "".
    """

    address: Address | None
    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    wishes: Wishes = NO_WISHES


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sender and at least one recipient."""

    sender: Sender
    recipients: tuple[Recipient, ...]

    @property
    def return_path(self) -> str:
        """The sender's address, or "" for the empty return path."""
        return str(self.sender.address) if self.sender.address else ""
