"""The first route that matches wins."""

from __future__ import annotations

import pytest

from postwicket.config.transport import Route
from postwicket.core.address import Address
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueId
from postwicket.delivery.route import Router
from postwicket.storage.values import Message

ROUTES = (
    Route(recipients=("*@bücher.example", "ops@*"), via="upstream:books"),
    Route(senders=("news@*",), lanes=("bulk",), via="upstream:bulk"),
    Route(accounts=("scanner@example.org",), via="discard"),
    Route(senders=("",), recipients=("*@mine.example",), via="upstream:notices"),
)


def via(to: str, *, sender: str = "ann@example.org", account: str = "", lane: str = "x") -> str:
    recipient = Recipient(Address.parse(to))
    address = Address.parse(sender) if sender else None
    message = Message(
        id=QueueId(1),
        account=account,
        envelope=Envelope(Sender(address=address), (recipient,)),
        size=1,
        received=0.0,
        expires=1.0,
        lane=lane,
    )
    return Router(ROUTES).via(message, recipient)


@pytest.mark.parametrize(
    ("to", "more", "expected"),
    [
        ("Bob@BÜCHER.example", {}, "upstream:books"),
        ("bob@xn--bcher-kva.example", {}, "capture"),
        ("OPS@else.example", {}, "upstream:books"),
        ("bob@x.example", {"sender": "News@y.example", "lane": "bulk"}, "upstream:bulk"),
        ("bob@x.example", {"sender": "news@y.example"}, "capture"),
        ("bob@x.example", {"account": "scanner@example.org"}, "discard"),
        ("bob@mine.example", {"sender": ""}, "upstream:notices"),
        ("bob@x.example", {}, "capture"),
    ],
)
def test_routes(to: str, more: dict[str, str], expected: str) -> None:
    assert via(to, **more) == expected


def test_without_conditions_everything_matches() -> None:
    router = Router((Route(via="discard"),))
    recipient = Recipient(Address.parse("a@b.example"))
    message = Message(
        id=QueueId(1),
        account="",
        envelope=Envelope(Sender(address=None), (recipient,)),
        size=1,
        received=0.0,
        expires=1.0,
    )
    assert router.via(message, recipient) == "discard"
