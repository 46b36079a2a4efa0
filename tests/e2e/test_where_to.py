"""The running server asks a name server where mail goes, and says of each no what it means."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import dns.message
import dns.rcode
import pytest

from tests.trust.name_server import Said, name_server, response, zone

from .server import Postwicket, until
from .sink import Sink

LISTENER: Final = """\
[[listener]]
address = "127.0.0.1:0"
tls = "none"
account = "ann@example.org"
"""
SETTINGS: Final = """\
[[route]]
recipients = ["*@example.org"]
via = "capture"

[[route]]
via = "direct"

[[host]]
name = "static.example"
address = "127.0.0.1:{port}"

[delivery]
resolver = "{resolver}"
allow_networks = ["127.0.0.0/8", "::1/128"]
port = {port}
mta_sts = false

[queue]
retry = ["1s"]
"""
ZONE: Final = zone(
    "good.example. 300 IN MX 10 dead.good.example.",
    "good.example. 300 IN MX 20 mx.good.example.",
    "dead.good.example. 300 IN A 127.0.0.66",
    # Nobody listens on ::1 at this port: the other family is tried beside it.
    "mx.good.example. 300 IN AAAA ::1",
    "mx.good.example. 300 IN A 127.0.0.1",
    "alias.example. 300 IN CNAME good.example.",
    "xn--bcher-kva.example. 300 IN A 127.0.0.1",
    "trace.example. 300 IN MX 10 dead.good.example.",
    "trace.example. 300 IN MX 20 mx.trace.example.",
    "trace.example. 300 IN MX 30 mx.private.example.",
    "mx.trace.example. 300 IN AAAA ::1",
    "mx.trace.example. 300 IN A 127.0.0.1",
    "null.example. 300 IN MX 0 .",
    "loop.example. 300 IN MX 10 mail.example.org.",
    "loop.example. 300 IN MX 20 mx.good.example.",
    "private.example. 300 IN MX 10 mx.private.example.",
    "mx.private.example. 300 IN A 10.0.0.1",
    "nothing.example. 300 IN TXT here",
)
REFUSALS: Final = {
    "bob@nowhere.example": ("failed", "550 5.1.2", "dns.no-such-domain"),
    "bob@null.example": ("failed", "556 5.1.10", "dns.null-mx"),
    "bob@nothing.example": ("failed", "550 5.1.2", "dns.no-mail-host"),
    "bob@loop.example": ("failed", "554 5.4.6", "route.loop"),
    "bob@private.example": ("failed", "550 5.4.4", "route.forbidden-address"),
    "bob@[10.0.0.1]": ("failed", "550 5.4.4", "route.forbidden-address"),
    "bob@broken.example": ("deferred", "451 4.4.3", "dns.failure"),
}


def answers(query: dns.message.QueryMessage, tcp: bool) -> list[Said]:
    if query.question[0].name.to_text() == "broken.example.":
        return [response(query, rcode=dns.rcode.SERVFAIL)]
    return list(ZONE(query, tcp))


@contextlib.contextmanager
def served_names() -> Iterator[str]:
    """Run the name server in a thread; give its address."""
    ready, stop = threading.Event(), asyncio.Event()
    place: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with name_server(answers) as server:
            place.append(str(server.place))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield place[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Return a server that takes everything."""
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def server(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postwicket]:
    """Return a server that delivers straight to exchangers, which it finds in DNS."""
    folder: Path = tmp_path_factory.mktemp("where")
    with served_names() as resolver:
        settings = SETTINGS.format(port=sink.port, resolver=resolver)
        server = Postwicket(folder, settings=settings, listeners=LISTENER, workers=1)
        try:
            server.account("ann@example.org")
            server.start()
            yield server
            server.stop()
        finally:
            server.end()


def send(server: Postwicket, *recipients: str) -> None:
    message = EmailMessage()
    message["From"] = "ann@example.org"
    message["Subject"] = "where to"
    message.set_content("hello")
    with smtplib.SMTP("127.0.0.1", server.port("none")) as session:
        session.send_message(message, to_addrs=recipients)


def row(server: Postwicket, recipient: str) -> dict[str, Any]:
    """Return the delivery to a recipient once it was tried."""

    def tried() -> dict[str, Any] | None:
        rows = server.queue("--all", "--recipient", recipient)
        return next((one for one in rows if one["attempts"] and one["state"] != "sending"), None)

    return until(tried)


@pytest.mark.parametrize(
    "recipient",
    [
        "bob@good.example",
        "bob@alias.example",
        "bob@static.example",
        "bob@xn--bcher-kva.example",
        "bob@[127.0.0.1]",
    ],
)
def test_mail_arrives_where_dns_says(server: Postwicket, sink: Sink, recipient: str) -> None:
    send(server, recipient)
    until(lambda: recipient in sink.recipients())
    assert row(server, recipient)["state"] == "delivered"


@pytest.mark.parametrize("recipient", REFUSALS)
def test_each_no_has_its_rule(server: Postwicket, sink: Sink, recipient: str) -> None:
    state, reply, rule = REFUSALS[recipient]
    send(server, recipient)
    found = row(server, recipient)
    assert (found["state"], found["reply"][: len(reply)]) == (state, reply)
    assert found["reply"].endswith(f"[{rule}]")
    assert recipient not in sink.recipients()


def test_the_trace_says_which_exchangers_were_tried(server: Postwicket, sink: Sink) -> None:
    send(server, "bob@trace.example")
    until(lambda: "bob@trace.example" in sink.recipients())
    key = str(row(server, "bob@trace.example")["message"])
    shown = server.run("trace", key, "--transcript").out.decode()
    assert f"dead.good.example[127.0.0.66]:{sink.port}" in shown
    assert f"mx.trace.example[::1]:{sink.port}" in shown
    assert f"connected to mx.trace.example[127.0.0.1]:{sink.port}" in shown
    assert "mx.private.example is left out: 10.0.0.1 is private" in shown
