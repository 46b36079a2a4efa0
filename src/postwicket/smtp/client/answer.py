"""What a peer made of our mail: one answer per recipient, with the stage it belongs to.

An `Answer` carries either the peer's reply or the trouble that kept us from getting one.  What
follows from it (again later, never, done) is not decided here but in `policy.outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from postwicket.core.reply import Reply


class Stage(Enum):
    """Where in the conversation an answer belongs; the value is what people read."""

    ROUTE = "route"  # finding the way to a domain, before there is a host to talk to
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    TLS = "TLS handshake"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    CONTENT = "content"
    FINAL = "end of content"
    QUIT = "QUIT"


class Trouble(Enum):
    """Why there is no reply."""

    LOST = "the connection was lost"
    TIMEOUT = "no answer in time"
    PROTOCOL = "the answer was no SMTP"
    NAME = "the host's name has no address"
    UNREACHABLE = "no connection"
    CERTIFICATE = "the certificate was not accepted"
    TLS = "the TLS handshake failed"
    NO_STARTTLS = "STARTTLS is not offered"
    NO_AUTH = "no AUTH mechanism that we may use is offered"
    UNTRIED = "not tried on this connection"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said about one recipient, or about the whole host.

    Exactly one of `reply` and `trouble` is set.  With `ours`, the reply is our own objection
    to sending this content to this peer; the peer never saw it.
    """

    stage: Stage
    reply: Reply | None = None
    trouble: Trouble | None = None
    detail: str = ""
    ours: bool = False

    @property
    def accepted(self) -> bool:
        """True when the peer has taken the mail over: 2yz after the end of the content."""
        return self.stage is Stage.FINAL and self.reply is not None and self.reply.positive

    def __str__(self) -> str:
        if self.reply is not None:
            return str(self.reply)
        words = self.trouble.value if self.trouble else "no answer"
        return f"{self.stage.value}: {words}" + (f" ({self.detail})" if self.detail else "")


UNTRIED: Final = Answer(Stage.MAIL, trouble=Trouble.UNTRIED)
