"""One attempt's load: a message, those of its deliveries that travel together, its content.

A `Report` is what a connection brings back: an answer for each delivery, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from postwicket.core.address import Address
from postwicket.core.reply import Reply
from postwicket.policy.lane import urgency_of
from postwicket.policy.outcome import SEND_AGAIN, Doubt
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.smtp.client.commands import Mail
from postwicket.smtp.client.transcript import Transcript
from postwicket.storage.interfaces import Conflict, Content, StorageUnavailable
from postwicket.storage.values import Delivery, Message, Suppression

from .way import NOWHERE, Way

# Octets: what is not larger is sent from memory in one write, what is larger in pieces.
SMALL: Final = 131_072
SITE: Final = "site "  # what the places of sites begin with
UNREADABLE: Final = Reply(451, (3, 0), "The stored content cannot be read now")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What goes out together; `place` is what its share of the window is counted under.

    `doubt` is what its route wants where nobody knows whether it was delivered.
    """

    message: Message
    deliveries: tuple[Delivery, ...]
    via: str
    place: str = ""
    way: Way = NOWHERE
    doubt: Doubt = SEND_AGAIN
    content: Content | None = None  # None: to be read back when it is sent
    return_path: Address | None = None  # None: the sender's own
    stopped: tuple[Suppression, ...] = ()  # for each delivery, when none of them is to be made

    @property
    def urgency(self) -> int:
        """Lower goes first, within one account and lane."""
        return urgency_of(self.message.lane, self.message.demands.priority)

    @property
    def site(self) -> str:
        """The name of its site; "" where it has none, or nobody knows it yet."""
        return self.place.removeprefix(SITE) if self.place.startswith(SITE) else ""

    def only(self, indexes: list[int]) -> Shipment:
        """Return the shipment of some of its deliveries."""
        return replace(self, deliveries=tuple(self.deliveries[i] for i in indexes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a shipment.  `at` is when the attempt began, `dsn` whether the peer has it.

    `lines` are the transcript's numbers of the recipients, in the order of the answers.
    """

    answers: tuple[Answer, ...]
    at: float
    seconds: float
    remote: str = ""
    tls: str = ""
    trust: str = ""
    transcript: Transcript
    lines: tuple[int, ...] = ()
    dsn: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """How an attempt went, whatever came of it."""

    transcript: Transcript
    began: float
    remote: str = ""
    tls: str = ""
    dsn: bool = False
    trust: str = ""

    def report(
        self, answers: tuple[Answer, ...], now: float, lines: tuple[int, ...] = ()
    ) -> Report:
        """Return what the dispatcher gets."""
        return Report(
            answers=answers,
            at=self.began,
            seconds=max(0.0, now - self.began),
            remote=self.remote,
            tls=self.tls,
            trust=self.trust,
            transcript=self.transcript,
            lines=lines or tuple(range(len(answers))),
            dsn=self.dsn,
        )


def mail_of(shipment: Shipment, content: Content) -> Mail:
    """Return what the client machine needs; raise what reading the content may raise."""
    size = content.size
    sender = shipment.message.envelope.sender
    if shipment.return_path is not None:
        sender = replace(sender, address=shipment.return_path)
    return Mail(
        sender=sender,
        recipients=tuple([delivery.recipient for delivery in shipment.deliveries]),
        size=size,
        header=content.header,
        whole=b"".join(content.pieces()) if size <= SMALL else None,
        require_tls=shipment.message.demands.require_tls,
        demands=shipment.message.demands,
    )


UNREADABLE_ERRORS: Final = (OSError, StorageUnavailable, Conflict)


def unreadable(shipment: Shipment) -> tuple[Answer, ...]:
    """Return the answers for content that could not be read: ours, and temporary."""
    return (Answer(Stage.CONTENT, UNREADABLE, ours=True),) * len(shipment.deliveries)
