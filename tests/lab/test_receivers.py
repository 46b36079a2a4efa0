"""The receivers of the laboratory do what tests rely on."""

from __future__ import annotations

import smtplib
import ssl
import time

import pytest

from tests.e2e.server import until

from .laboratory import GREYLISTED_FOR, Laboratory
from .receivers import Receiver

CONTENT = b"Subject: hello\r\n\r\n.dot\r\nna\xc3\xafve \r\n\r\n"


def send(
    laboratory: Laboratory, receiver: Receiver, *to: str, tls: bool = False
) -> dict[str, int]:
    """Send the message; return the codes of the recipients who were refused."""
    with smtplib.SMTP(receiver.address, laboratory.port, timeout=10) as smtp:
        if tls:
            context = ssl.create_default_context(cafile=laboratory.authority.ca)
            # smtplib checks the name that it was told to connect to.
            smtp._host = receiver.name  # type: ignore[attr-defined]
            smtp.starttls(context=context)
        try:
            refused = smtp.sendmail("ann@example.org", to, CONTENT)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
    return {recipient: code for recipient, (code, _) in refused.items()}


def test_the_plain_one_keeps_every_octet(laboratory: Laboratory) -> None:
    to = "octets@plain.lab.example"
    assert send(laboratory, laboratory.plain, to, "nobody@plain.lab.example") == {
        "nobody@plain.lab.example": 550
    }
    (mail,) = until(lambda: laboratory.plain.arrived(to))
    assert (mail.sender, mail.content) == ("ann@example.org", CONTENT)
    assert "with ESMTP id" in mail.how


def test_the_dane_one_is_who_its_certificate_says(laboratory: Laboratory) -> None:
    to = "tls@dane.lab.example"
    assert send(laboratory, laboratory.dane, to, tls=True) == {}
    (mail,) = until(lambda: laboratory.dane.arrived(to))
    assert "with ESMTPS id" in mail.how
    assert laboratory.validator is not None
    answer = laboratory.validator.ask(f"_{laboratory.port}._tcp.mx.dane.lab.example", "TLSA")
    assert str(answer.answer[0][0]).startswith("3 1 1 ")


def test_the_strict_one_lets_strangers_wait_and_then_come_in(laboratory: Laboratory) -> None:
    to = "stranger@strict.lab.example"
    assert send(laboratory, laboratory.strict, to) == {to: 450}
    assert send(laboratory, laboratory.strict, to) == {to: 450}
    time.sleep(GREYLISTED_FOR)
    # It also counts what other tests have just sent, for a few seconds.
    until(lambda: send(laboratory, laboratory.strict, to) == {})


def test_the_strict_one_counts_connections(laboratory: Laboratory) -> None:
    place = (laboratory.strict.address, laboratory.port)
    with (
        smtplib.SMTP(*place, timeout=10),
        smtplib.SMTP(*place, timeout=10),
        pytest.raises(smtplib.SMTPConnectError, match="421"),
    ):
        smtplib.SMTP(*place, timeout=10)
