"""A real mail server behind us: it gets the mail, in its time, and we tell who does not."""

from __future__ import annotations

import smtplib
import ssl
import uuid
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import pytest

from tests.lab.postfix import open_folder

from .authority import TestAuthority
from .clients import ATTACHMENT, SENDER, letter
from .postfix import PASSWORD, USER, Postfix
from .server import Postwicket, SignIn, until
from .wire import name, split

# The envelope's sender chooses the door; notices, which have none, stay here.
SETTINGS: Final = """\
[[route]]
senders = ["<>", ""]
via = "capture"

[[route]]
senders = ["starttls@example.org"]
via = "upstream:starttls"

[[route]]
senders = ["implicit@example.org"]
via = "upstream:implicit"

[[route]]
senders = ["unknown-ca@example.org"]
via = "upstream:unknown-ca"

[queue]
retry = ["1s"]
"""
UPSTREAM: Final = """
[[upstream]]
name = "{name}"
host = "localhost"
port = {port}
tls = "{tls}"
auth = "{auth}"
username = "{user}"
password = "{password}"
{more}
"""


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    """Return a running Postfix."""
    with open_folder("postfix") as folder:
        postfix = Postfix(folder, TestAuthority(folder / "authority"))
        try:
            postfix.start()
            yield postfix
        finally:
            postfix.stop()


@pytest.fixture(scope="module")
def server(postfix: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postwicket]:
    """Return a server that sends through Postfix in three ways."""
    server = Postwicket(tmp_path_factory.mktemp("relay"), settings=SETTINGS + _upstreams(postfix))
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.end()


def _upstreams(postfix: Postfix) -> str:
    trusted = f'ca = "{postfix.ca}"'
    doors = (
        ("starttls", postfix.starttls, "starttls", "plain", trusted),
        ("implicit", postfix.implicit, "implicit", "login", trusted),
        ("unknown-ca", postfix.starttls, "starttls", "plain", ""),
    )
    return "".join(
        UPSTREAM.format(
            name=name, port=port, tls=tls, auth=auth, user=USER, password=PASSWORD, more=more
        )
        for name, port, tls, auth, more in doors
    )


@pytest.fixture(scope="module")
def ann(server: Postwicket) -> SignIn:
    """Return somebody who may write as each of the senders that the routes know."""
    ann = server.account(SENDER)
    server.ask("account", "grant", SENDER, "*@example.org")
    return ann


def _send(server: Postwicket, ann: SignIn, sender: str, *recipients: str) -> str:
    """Send the letter and return its Message-ID."""
    message = letter(bcc=False)
    message["Message-ID"] = f"<{uuid.uuid4()}@example.org>"
    message["Date"] = "Sat, 1 Aug 2026 12:00:00 +0200"
    context = ssl.create_default_context(cafile=server.data / "ca.pem")
    with smtplib.SMTP_SSL("localhost", server.port("implicit"), context=context) as smtp:
        smtp.login(ann.user, ann.password)
        assert smtp.sendmail(sender, recipients, message.as_bytes(policy=SMTP)) == {}
    return str(message["Message-ID"])


def _arrived(postfix: Postfix, person: str, message_id: str) -> bytes | None:
    found = [mail for mail in postfix.mail(person) if message_id.encode() in mail]
    assert len(found) < 2, "it arrived twice"
    return found[0] if found else None


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_mail_goes_out_with_sign_in_and_a_verified_certificate(
    server: Postwicket, postfix: Postfix, ann: SignIn, tls: str
) -> None:
    sender = f"{tls}@example.org"
    sent = _send(server, ann, sender, "bob@example.com", "carl@example.com")
    bob = until(lambda: _arrived(postfix, "bob", sent))
    assert until(lambda: _arrived(postfix, "carl", sent)) == bob
    until(lambda: not server.queue())
    (life,) = server.ask("trace", sent)
    assert {row["state"] for row in life["deliveries"]} == {"delivered"}
    assert life["attempts"][0]["tls"].startswith("TLSv1.3")
    assert PASSWORD not in str(life)
    # Only Received was added to what the client sent, and nothing on the way out.
    message = letter(bcc=False)
    fields, body = split(bob)
    assert [name(field) for field in fields] == [
        *("received", *(key.lower() for key in message)),
        *("message-id", "date"),
    ]
    parsed = message_from_bytes(bob, EmailMessage, policy=SMTP)
    assert [part.get_payload(decode=True) for part in parsed.walk()][-1] == ATTACHMENT
    assert b".so f" in body
    mechanism = "PLAIN" if tls == "starttls" else "LOGIN"
    assert f"sasl_method={mechanism}, sasl_username={USER}" in postfix.log()


def test_mail_waits_while_the_other_server_is_down(
    server: Postwicket, postfix: Postfix, ann: SignIn
) -> None:
    postfix.stop()
    sent = _send(server, ann, "starttls@example.org", "bob@example.com")
    (waiting,) = until(lambda: server.queue("--state", "deferred"))
    assert waiting["recipient"] == "bob@example.com"
    assert waiting["cause"] == "network"
    postfix.start()
    assert until(lambda: _arrived(postfix, "bob", sent))
    assert until(lambda: not server.queue())


def test_a_refused_recipient_is_told_and_the_others_get_their_mail(
    server: Postwicket, postfix: Postfix, ann: SignIn
) -> None:
    recipients = ("bob@example.com", "nobody@example.com")
    sent = _send(server, ann, "starttls@example.org", *recipients)
    assert until(lambda: _arrived(postfix, "bob", sent))
    (listed,) = until(server.inbox)
    assert (listed["sender"], listed["recipients"]) == ("", ["starttls@example.org"])
    notice = message_from_bytes(server.source(listed["id"]), EmailMessage, policy=SMTP)
    assert notice.get_content_type() == "multipart/report"
    report = next(
        part for part in notice.walk() if part.get_content_subtype() == "delivery-status"
    )
    facts = str(report)
    assert "Final-Recipient: rfc822; nobody@example.com" in facts
    assert "Action: failed" in facts
    assert "Status: 5.1.1" in facts
    assert "bob@example.com" not in facts
    assert sent in str(notice)  # it brings back what it is about


def test_a_server_that_nobody_vouches_for_gets_no_mail_and_no_password(
    server: Postwicket, postfix: Postfix, ann: SignIn
) -> None:
    before = postfix.log().count("sasl_username")
    sent = _send(server, ann, "unknown-ca@example.org", "bob@example.com")
    (waiting,) = until(lambda: server.queue("--state", "deferred"))
    assert waiting["cause"] == "encryption"
    assert postfix.log().count("sasl_username") == before
    assert _arrived(postfix, "bob", sent) is None
    server.ask("queue", "cancel", waiting["id"])
