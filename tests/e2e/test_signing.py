"""A running server signs from the moment a domain is verified, and through a rotation."""

from __future__ import annotations

import re
import time
from typing import Any

import dkim  # type: ignore[import-untyped]

from .conftest import Serve
from .server import Postwicket, SignIn, until
from .talk import MAIL, send, session
from .wire import split

LONG = MAIL.replace(b"It works.\r\n", b"It works, \t twice. \r\n" * 30_000)
NEWSLETTER = MAIL.replace(
    b"Subject: hello\r\n",
    b"Subject: hello\r\nList-Unsubscribe: <https://example.org/u>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
)


def delivered(server: Postwicket, ann: SignIn, content: bytes = MAIL) -> bytes:
    """Hand a message in and return it as it would go out."""
    before = len(server.inbox())
    with session(server, ann) as smtp:
        assert send(smtp, content=content)[0] == 250
    until(lambda: len(server.inbox()) > before)
    return server.source(server.inbox()[0]["id"])


def believed(server: Postwicket, message: bytes) -> list[bool]:
    """Return what dkimpy says to each of our signatures, with the records of `domain dns`."""
    records = {
        f"{one['name']}.": one["value"]
        for one in server.ask("domain", "dns", "example.org")["records"]
    }

    def look(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001
        value = records.get(name.decode())
        return value.encode() if value else None

    count = len(re.findall(rb"^DKIM-Signature:", message, re.MULTILINE))
    return [dkim.DKIM(message).verify(idx=index, dnsfunc=look) for index in range(count)]


def keys(server: Postwicket) -> dict[str, Any]:
    """Return the keys' states by selector."""
    found = server.ask("domain", "show", "example.org")
    return {key["selector"]: key["state"] for key in found["keys"]}


def test_mail_is_signed_from_the_verification_on_and_through_a_rotation(serve: Serve) -> None:
    # No name server answers here: what is verified is believed unchecked.
    server = serve(settings='[delivery]\nresolver = ["127.0.0.1:9"]\n')
    ann = server.account("ann@example.org")
    assert b"DKIM-Signature" not in delivered(server, ann)
    assert server.run("domain", "add", "example.org").status == 0
    assert b"DKIM-Signature" not in delivered(server, ann)
    server.ask("domain", "verify", "example.org", "--unchecked")

    first = delivered(server, ann)
    assert believed(server, first) == [True, True]
    assert split(first)[1] == split(MAIL)[1]
    assert believed(server, delivered(server, ann, LONG)) == [True, True]
    newsletter = delivered(server, ann, NEWSLETTER)
    assert believed(server, newsletter) == [True, True]
    assert b"list-unsubscribe-post" in newsletter.split(b"bh=")[0].replace(b"\r\n ", b"")

    old = set(keys(server))
    server.run("domain", "rotate", "example.org")
    overlapping = delivered(server, ann)
    assert any(name.encode() in overlapping for name in old)
    server.ask("domain", "verify", "example.org", "--unchecked")
    last = delivered(server, ann)
    assert believed(server, last) == [True, True]
    assert not any(f"s={name};".encode() in last for name in old)
    # What the old keys have signed still verifies: their records stay published.
    assert believed(server, first) == [True, True]
    expires = re.search(rb"x=(\d+)", last)
    assert expires is not None
    assert int(expires[1]) > time.time() + 6 * 86_400
    server.run("domain", "remove", "example.org")
    assert b"DKIM-Signature" not in delivered(server, ann)
    assert server.run("domain", "show", "example.org").status == 1


def test_mail_of_other_domains_is_not_signed_and_that_is_told_once(serve: Serve) -> None:
    server = serve(settings='[delivery]\nresolver = ["127.0.0.1:9"]\n')
    ann = server.account("ann@example.org")
    server.run("domain", "add", "example.com")
    server.ask("domain", "verify", "example.com", "--unchecked")
    for _ in range(3):
        assert b"DKIM-Signature" not in delivered(server, ann)
    finding = server.wait_for("finding", rule="signing.no-key")
    assert "postwicket domain add example.org" in finding["fix"]
    assert len(server.events("finding", rule="signing.no-key")) <= 2  # once a worker
