"""What the storage tests are made of: messages, charges, settlements."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from postwicket.core.address import Address
from postwicket.core.entry import Accepted, Settled
from postwicket.core.envelope import Body, Envelope, Notify, Recipient, Sender
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.core.state import State
from postwicket.storage.values import (
    Attempt,
    Charge,
    Delivery,
    Message,
    NewMessage,
    Settlement,
    SmallBody,
    StoredBody,
)

NOW = 1_800_000_000.0
_MAKERS: defaultdict[float, QueueIds] = defaultdict(lambda: QueueIds(7))


def next_id(at: float) -> QueueId:
    """Return an id of that very time, whatever ids were made before."""
    return _MAKERS[at].next(at)


SENDER = Sender(
    address=Address("Ann", "example.org"),
    size=4096,
    body=Body.EIGHT_BIT,
    smtputf8=True,
    ret="HDRS",
    envid="abc+2B",
)
BOB = Recipient(
    Address("bob", "example.com"), frozenset({Notify.DELAY, Notify.FAILURE}), "rfc822;b@x.org"
)
EVE = Recipient(Address("eve", "bücher.example"))


HELLO = SmallBody(b"\r\nhello\r\n")


def message(
    *recipients: Recipient, at: float = NOW, sender: Sender = SENDER, **more: Any
) -> Message:
    """Return a message to `recipients`, or to Bob."""
    return Message(
        id=next_id(at),
        account="ann@example.org",
        envelope=Envelope(sender, recipients or (BOB,)),
        size=64,
        received=at,
        expires=at + 432_000,
        **more,
    )


def new(
    *recipients: Recipient,
    at: float = NOW,
    slot: int | None = None,
    charge: Charge | None = None,
    body: SmallBody | StoredBody = HELLO,
    **more: Any,
) -> NewMessage:
    """Return a new message, claimed by `slot` for 300 seconds if there is one."""
    made = message(*recipients, at=at, **more)
    return NewMessage(
        message=made,
        header=b"Subject: hi\r\n",
        body=body,
        entry=Accepted(
            at=at,
            message=made.id,
            account=made.account,
            sender=made.envelope.return_path,
            recipients=len(made.envelope.recipients),
            size=made.size,
        ),
        charge=charge,
        claimed_by=slot,
        lease_until=at + 300 if slot is not None else 0.0,
    )


def born(made: NewMessage, number: int = 1) -> Delivery:
    """Return a delivery as the acceptor knows it."""
    return Delivery(
        message=made.message.id,
        number=number,
        recipient=made.message.envelope.recipients[number - 1],
        due=made.lease_until,
    )


TRIED = Attempt(
    at=NOW + 1,
    seconds=0.5,
    route="upstream:x",
    remote="mx.example.com [192.0.2.1]:25",
    tls="TLSv1.3",
    reply="250 2.0.0 ok",
    transcript="S: 250 ok",
)


def settled(
    delivery: Delivery,
    state: State,
    *,
    slot: int = 1,
    due: float | None = None,
    tried: Attempt | None = TRIED,
    **more: Any,
) -> Settlement:
    """Return what came of an attempt."""
    return Settlement(
        delivery=delivery,
        claimed_by=slot,
        state=state,
        due=due,
        attempt=tried,
        entry=Settled(
            at=NOW + 1,
            message=delivery.message,
            delivery=delivery.number,
            recipient=str(delivery.recipient.address),
            state=state.value,
        ),
        **more,
    )


def again(settlement: Settlement, **changes: Any) -> Settlement:
    """Return the settlement with something changed."""
    return replace(settlement, **changes)


def charge(account: int = 1, recipients: int = 1, *, messages: int = 3, day: int = 10) -> Charge:
    """Return one message's charge, against `messages` and `day` recipients a day."""
    return Charge(
        account=account,
        messages=1,
        recipients=recipients,
        messages_per_day=messages,
        recipients_per_day=day,
    )
