"""What a client can say that the application must answer, and what it only has to take in."""

from __future__ import annotations

from dataclasses import dataclass

from postwicket.core.claim import PasswordClaim
from postwicket.core.envelope import Recipient, Sender
from postwicket.core.reply import Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO, or HELO when `extended` is false.  Answer 250 in any words: the machine lists."""

    name: str
    extended: bool = True


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207).  After a 220, call `tls_started` and feed only plaintext."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The end of an AUTH exchange (RFC 4954): somebody claims to be somebody."""

    mechanism: str
    claim: PasswordClaim


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM."""

    sender: Sender


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Data:
    """DATA, or the first BDAT when `chunking`: may the message be sent?  Answer 354."""

    chunking: bool = False


@dataclass(frozen=True, slots=True)
class EndOfContent:
    """The message has arrived whole; `size` in octets.  The 250 is a promise."""

    size: int


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET, or what has the same effect: forget the transaction."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT."""


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the message, dots unstuffed.  Needs no answer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ContentRefused:
    """The machine itself refused the message while it came in.  Needs no answer: drop it."""

    reply: Reply


Question = Hello | StartTls | Authenticate | Mail | Rcpt | Data | EndOfContent | Reset | Quit
Event = Question | Content | ContentRefused
