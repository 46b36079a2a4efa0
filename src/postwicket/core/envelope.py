"""The envelope: who sends to whom, and how they hear of it.  Never guessed from headers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sender and at least one recipient."""

    sender: Sender
    recipients: tuple[Recipient, ...]

    @property
    def return_path(self) -> str:
        """The sender's address, or "" for the empty return path."""
        return str(self.sender.address) if self.sender.address else ""
