"""The hostile receiver: polite where nothing else was said, and misbehaving to the octet."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time

import pytest

from . import misdeeds
from .hostile import Misdeed, Visits
from .laboratory import Laboratory

CONTENT = b"Subject: hello\r\n\r\n.dot\r\n"


def met(laboratory: Laboratory, misdeed: Misdeed) -> tuple[smtplib.SMTP, Visits]:
    """Return a client that does not know yet whom it will connect to, and what they see."""
    address = laboratory.address()
    visits = laboratory.hostile.listen(address, misdeed)
    smtp = smtplib.SMTP(timeout=5)
    smtp._host = address  # type: ignore[attr-defined]
    return smtp, visits


def connect(laboratory: Laboratory, smtp: smtplib.SMTP) -> smtplib.SMTP:
    smtp.connect(smtp._host, laboratory.port)  # type: ignore[attr-defined]
    return smtp


def test_it_can_behave(laboratory: Laboratory) -> None:
    pair = laboratory.authority.pair("polite")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    smtp, visits = met(laboratory, misdeeds.polite(tls=context))
    with connect(laboratory, smtp):
        smtp.starttls(context=ssl._create_unverified_context())
        assert smtp.sendmail("ann@example.org", ["bob@example.com"], CONTENT) == {}
    (mail,) = visits.whole
    assert (mail.sender, mail.recipient) == ("ann@example.org", "bob@example.com")
    assert mail.content == CONTENT
    assert visits.count("STARTTLS") == 1


@pytest.mark.parametrize("stage", misdeeds.STAGES)
def test_it_hangs_up_at_every_stage(laboratory: Laboratory, stage: str) -> None:
    smtp, visits = met(laboratory, misdeeds.hangs_up(stage))
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        connect(laboratory, smtp).sendmail("ann@example.org", ["bob@example.com"], CONTENT)
    smtp.close()
    assert len(visits.whole) == (stage == ".")


def test_it_picks_recipients(laboratory: Laboratory) -> None:
    smtp, visits = met(laboratory, misdeeds.picks_recipients)
    with connect(laboratory, smtp):
        refused = smtp.sendmail("ann@x.example", ["gone@y", "full@y", "bob@y"], CONTENT)
    assert {who: said[0] for who, said in refused.items()} == {"gone@y": 550, "full@y": 452}
    assert [mail.recipient for mail in visits.whole] == ["bob@y"]


@pytest.mark.parametrize(
    ("misdeed", "first"),
    [
        (misdeeds.octet_by_octet, b"2"),
        (misdeeds.endless_line, b"220 xxx"),
        (misdeeds.huge_banner, b"220-xxx"),
        (misdeeds.bare_line_feeds, b"220-hostile\n220 ESMTP\n"),
    ],
)
def test_its_greetings_are_none(laboratory: Laboratory, misdeed: Misdeed, first: bytes) -> None:
    address = laboratory.address()
    laboratory.hostile.listen(address, misdeed)
    with socket.create_connection((address, laboratory.port), 5) as client:
        time.sleep(0.1)
        assert client.recv(len(first)) == first
