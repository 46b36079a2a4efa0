"""Who may look: names against rebinding, networks against strangers."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import PlainTextResponse

from postwicket.config import Listener
from postwicket.web.door import Door, OurNames

from .fakes import get

WELCOME = PlainTextResponse("welcome")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8025",
        "localhost.",
        "mail.example.org",
        "Mail.Example.ORG:80",
        "127.0.0.1:8025",
        "10.1.2.3",
        "[::1]:8025",
        "[::1]",
    ],
)
def test_our_names_and_any_address(host: str) -> None:
    app = OurNames(WELCOME, ["mail.example.org"])
    assert asyncio.run(get(app, "/", host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "[evil.example]",
        "xmail.example.org",
        "mail.example.org,evil.example",
    ],
)
def test_any_other_name_may_have_been_rebound(host: str | None) -> None:
    app = OurNames(WELCOME, ["mail.example.org"])
    assert asyncio.run(get(app, "/", host=host)).status == 421


LOOPBACK = Listener(address="127.0.0.1:0", kind="http", tls="none")
OFFICE = Listener.model_validate(
    {
        "address": "0.0.0.0:80",
        "kind": "http",
        "tls": "none",
        "networks": ["10.1.0.0/16", "2001:db8::/32"],
    }
)


@pytest.mark.parametrize(
    ("listener", "client", "status"),
    [
        (LOOPBACK, "127.0.0.1", 200),
        (LOOPBACK, "::1", 200),
        (LOOPBACK, "::ffff:127.0.0.1", 200),
        (LOOPBACK, "10.1.0.1", 403),
        (LOOPBACK, None, 403),
        (LOOPBACK, "nonsense", 403),
        (OFFICE, "10.1.255.255", 200),
        (OFFICE, "::ffff:10.1.0.1", 200),
        (OFFICE, "2001:db8::1", 200),
        (OFFICE, "10.2.0.1", 403),
        (OFFICE, "2001:db9::1", 403),
        (OFFICE, "127.0.0.1", 403),
    ],
)
def test_a_listener_lets_in_its_networks(
    listener: Listener, client: str | None, status: int
) -> None:
    answer = asyncio.run(get(Door(WELCOME, listener), "/", client=client))
    assert answer.status == status
