"""What comes back, end to end: a real Postfix takes our mail, and bounces it to our port 25."""

from __future__ import annotations

import re
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from tests.lab.postfix import open_folder
from tests.lab.program import shared_port
from tests.needs import need

from .authority import TestAuthority
from .conftest import Serve
from .postfix import ACCEPTS_FIRST, Postfix
from .server import HOST, LISTENERS, Postwicket, SignIn, until

INBOUND: Final = """\
[[listener]]
address = "127.0.0.1:{inbound}"
kind = "inbound"

[[listener]]
address = "127.0.0.1:0"
kind = "http"
"""
SETTINGS: Final = """\
[[route]]
recipients = ["*@example.org"]
via = "capture"

[[route]]
via = "direct"

[[host]]
name = "example.com"
address = "127.0.0.1:{postfix}"

[delivery]
allow_networks = ["127.0.0.0/8"]

[returns]
domain = "returns.example.org"
unsubscribe_url = "https://mail.example.org"

[queue]
retry = ["1s"]
"""
ANN: Final = "ann@example.org"


class Place:
    """Our server, and the Postfix that it sends to."""

    def __init__(self, serve: Serve, folder: Path) -> None:
        self.inbound = shared_port()
        self.postfix = Postfix(
            folder / "postfix",
            TestAuthority(folder / "authority"),
            more=ACCEPTS_FIRST.format(relay=self.inbound),
        )
        self.postfix.start()  # before us, or we might be given its port
        self.server = serve(
            listeners=LISTENERS + INBOUND.format(inbound=self.inbound),
            settings=SETTINGS.format(postfix=self.postfix.starttls),
        )
        self.ann = self.server.account(ANN)

    def send(self, *recipients: str, subject: str = "tea", lane: str = "") -> None:
        """Hand in a message of ann's."""
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = ANN, ", ".join(recipients), subject
        if lane:
            letter["X-Postwicket-Lane"] = lane
        letter.set_content("At four?\n")
        hand_in(self.server, self.ann, letter, recipients)

    def states(self, recipient: str) -> list[str]:
        """Return how the deliveries to somebody stand, oldest first."""
        rows = self.server.queue("--all", "--recipient", recipient)
        return [row["state"] for row in rows]


def hand_in(
    server: Postwicket, sign_in: SignIn, letter: EmailMessage, to: tuple[str, ...]
) -> None:
    context = ssl.create_default_context(cafile=server.data / "ca.pem")
    with smtplib.SMTP(HOST, server.port()) as smtp:
        smtp.starttls(context=context)
        smtp.login(sign_in.user, sign_in.password)
        smtp.send_message(letter, to_addrs=list(to))


@pytest.fixture
def place(serve: Serve) -> Iterator[Place]:
    """Return everything running."""
    with open_folder("postfix") as folder:
        made = Place(serve, folder)
        yield made
        made.postfix.stop()


def test_a_bounce_that_comes_later(place: Place) -> None:
    server = place.server
    # Each on a path of their own: word about a shared one suppresses nobody.
    place.send("bob@example.com")
    place.send("nobody@example.com")
    came = server.wait_for("came-back", what="bounce")
    assert came["recipient"] == "nobody@example.com"
    assert came["state"] == "failed"
    assert place.states("nobody@example.com") == ["failed"]
    until(lambda: place.postfix.mail("bob"))
    assert place.states("bob@example.com") == ["delivered"]
    # The sender hears of it as if it had been refused at once.
    notice = until(server.inbox)[0]
    text = server.source(notice["id"])
    assert b"Final-Recipient: rfc822; nobody@example.com" in text
    assert b"Action: failed" in text
    assert message_from_bytes(text)["To"] == f"<{ANN}>"
    # Who does not exist is not written to again; the others are.
    place.send("nobody@example.com", "bob@example.com", subject="more tea")
    until(lambda: len(place.postfix.mail("bob")) == 2)
    assert sorted(place.states("nobody@example.com")) == ["failed", "suppressed"]
    stopped = server.queue("--all", "--state", "suppressed")[0]
    assert "did not exist" in stopped["reply"]
    assert place.postfix.log().count("to=<nobody@example.com>") == 1
    until(lambda: len(server.inbox()) == 2)
    # No bounce of a bounce, and nothing else left us.
    assert place.states("mailer-daemon@mx.example.com") == []


def test_every_message_has_its_own_return_path(place: Place) -> None:
    for _ in range(3):
        place.send("bob@example.com")
    until(lambda: place.postfix.log().count("status=sent") == 3)
    paths = re.findall(r"from=<(b-[a-z2-7]{32}@returns\.example\.org)>", place.postfix.log())
    assert len(set(paths)) == 3


def swaks(port: int, sender: str, to: str, *more: str) -> str:
    """Let swaks bring a message, and return the talk."""
    done = subprocess.run(
        [
            *(need("swaks"), "--server", f"127.0.0.1:{port}", "--from", sender, "--to", to),
            *("--tls-optional", "--header", "Subject: hello", "--timeout", "10", *more),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_swaks_on_port_25(place: Place) -> None:
    server = place.server
    relayed = swaks(place.inbound, "x@example.net", "bob@example.com")
    assert re.search(r"<~\* 550 5\.7\.1 We do not relay.*\[returns\.relay\]", relayed)
    assert "=== TLS started" in relayed, "TLS is offered"
    forged = f"b-{'a' * 32}@returns.example.org"
    assert "[returns.forged]" in swaks(place.inbound, "<>", forged)
    signed_in = swaks(
        place.inbound, ANN, "bob@example.com", "--auth", "--auth-user", ANN, "--auth-password", "x"
    )
    assert "Host did not advertise authentication" in signed_in
    # People read what comes to them in the inbox.
    assert "250 2.0.0 Thank you" in swaks(
        place.inbound, "x@example.net", "postmaster@mail.example.org"
    )
    kept = until(server.inbox)[0]
    assert kept["recipients"] == ["postmaster@mail.example.org"]
    assert b"Return-Path: <x@example.net>" in server.source(kept["id"])


def ask(port: int, method: str, path: str, body: str = "", *, host: str) -> tuple[int, str]:
    """Ask the web listener as a proxy would."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {
        "Host": host,
        "X-Forwarded-For": "198.51.100.7",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_one_click(place: Place) -> None:
    server, web = place.server, place.server.port("none", "http")
    place.send("bob@example.com", subject="offers", lane="bulk")
    (letter,) = until(lambda: place.postfix.mail("bob"))
    header = message_from_bytes(letter)
    assert header["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.search(
        r"<https://mail\.example\.org(/unsubscribe/[a-z2-7-]+)>", str(header["List-Unsubscribe"])
    )
    assert found
    link, host = found[1], "mail.example.org"
    assert "mailto:u-" in str(header["List-Unsubscribe"])
    # A filter that follows links changes nothing; the inbox is not shown to the world.
    assert ask(web, "GET", link, host=host)[0] == 200
    assert ask(web, "GET", "/", host=host)[0] == 404
    assert place.states("bob@example.com") == ["delivered"]
    status, text = ask(web, "POST", link, "List-Unsubscribe=One-Click", host=host)
    assert (status, "You are unsubscribed" in text) == (200, True)
    assert place.states("bob@example.com") == ["unsubscribed"]
    assert server.wait_for("came-back", what="unsubscribe")["why"] == "one click"
    (stopped,) = server.ask("suppression", "list")
    assert (stopped["address"], stopped["lane"], stopped["reason"]) == (
        "bob@example.com", "bulk", "unsubscribe",
    )  # fmt: skip
    # The next issue stays here, a receipt goes out.
    place.send("bob@example.com", subject="more offers", lane="bulk")
    until(lambda: "suppressed" in place.states("bob@example.com"))
    place.send("bob@example.com", subject="receipt")
    until(lambda: len(place.postfix.mail("bob")) == 2)
    assert sorted(place.states("bob@example.com")) == ["delivered", "suppressed", "unsubscribed"]
