"""Real mail programs hand in real mail, and every octet of it is kept."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .clients import BCC, CC, CLIENTS, SENDER, SUBJECT, TO, Place
from .server import Postwicket, SignIn
from .signature import sign, verify
from .wire import Tap, assert_untouched, name, split


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postwicket]:
    """Serve for all clients, with the certificate that Postwicket makes itself."""
    server = Postwicket(tmp_path_factory.mktemp("clients"))
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture(scope="module")
def ann(server: Postwicket) -> SignIn:
    """Return the one who sends."""
    return server.account(SENDER)


@pytest.fixture
def place(server: Postwicket, ann: SignIn, tls: str, tmp_path: Path) -> Place:
    """Return the listener as a client has to know it."""
    return Place(
        port=server.port(tls),
        tls=tls,
        sign_in=ann,
        ca=server.data / "ca.pem",
        folder=tmp_path,
        server=server,
    )


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_sends_its_letter(place: Place, client: str) -> None:
    attached = CLIENTS[client](place)
    newest = place.server.inbox()[0]
    assert newest["sender"] == SENDER
    assert sorted(newest["recipients"]) == sorted([TO, CC, BCC])
    source = place.server.source(newest["id"])
    fields, _ = split(source)
    assert "bcc" not in map(name, fields)
    assert BCC.encode() not in source
    message = message_from_bytes(source, EmailMessage, policy=SMTP)
    # Python's modern parser leaves encoded words alone that stand behind git's "[PATCH]".
    assert SUBJECT in str(make_header(decode_header(message["Subject"])))
    assert "TLSv1.3" in message["Received"]
    payloads = [part.get_payload(decode=True) for part in message.iter_attachments()]
    assert any(isinstance(each, bytes) and attached in each for each in payloads)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_sent_is_kept_to_the_octet(
    place: Place, server: Postwicket, tls: str, client: str, tmp_path: Path
) -> None:
    tap = Tap(server, tls)
    try:
        tapped = Place(
            port=tap.port,
            tls=tls,
            sign_in=place.sign_in,
            ca=place.ca,
            folder=tmp_path,
            server=server,
        )
        CLIENTS[client](tapped)
    finally:
        sent = tap.close()
    assert len(sent) == 1
    assert_untouched(sent[0], server.source(server.inbox()[0]["id"]))


ODD: Final = (
    b"From: Ann <ann@example.org>\r\n"
    b"to:bob@example.com \t\r\n"
    b"SUBJECT:   two  spaces\tand a tab\r\n  and a fold \r\n"
    b"Bcc: eve@example.com\r\n"
    b"Date: Sat, 1 Aug 2026 12:00:00 +0200\r\n"
    b"Message-Id: <odd@example.org>\r\n"
    b"X-Odd:\r\n\t a value on its second line\r\n"
    b"\r\n"
    b"A line with spaces at its end   \r\n"
    b".\r\n..\r\n.dots\r\n"
    b"\tlatin 1: \xe9, and a long line: " + b"x" * 900 + b"\r\n"
    b"\r\n\r\n\r\n"
)


@pytest.mark.parametrize("size", [0, 3_000_000], ids=["small", "large"])
def test_a_signature_made_before_submission_still_holds(
    server: Postwicket, ann: SignIn, size: int
) -> None:
    key = Ed25519PrivateKey.generate()
    signed = sign(ODD + b"0123456789abcde\r\n" * (size // 17), key)
    context = ssl.create_default_context(cafile=server.data / "ca.pem")
    with smtplib.SMTP_SSL("localhost", server.port("implicit"), context=context) as smtp:
        smtp.login(ann.user, ann.password)
        smtp.sendmail(SENDER, [TO, BCC], signed, mail_options=["BODY=8BITMIME"])
    kept = server.source(server.inbox()[0]["id"])
    verify(kept, key.public_key())
    assert_untouched(signed, kept)
    with pytest.raises(InvalidSignature):  # the proof proves something
        verify(kept.replace(b"two  spaces", b"two spaces"), key.public_key())
