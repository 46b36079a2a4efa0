"""What was converted on its way still verifies, as another program reads it (dkimpy)."""

from __future__ import annotations

import asyncio

import pytest

from postwicket.delivery.converting import Converter, Prepared, Wanted
from postwicket.smtp.client.commands import NEEDS_EIGHT_BIT
from postwicket.storage.bodies import SmallContent
from tests.trust.dkim_keys import DAY
from tests.trust.test_dkim_oracles import believed
from tests.trust.test_signer import Desk

from .test_conclude import SHIPMENT

HEADER = (
    "From: Änn <ann@news.example.org>\r\nSubject: Grüße zum Tee\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
).encode()
BODY = "\r\nUm vier? Schön!\r\n".encode()


def test_our_signatures_are_made_anew_over_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    async def convert() -> Prepared | tuple[object, ...]:
        signed = await desk.signer.sign(HEADER, BODY)
        converter = Converter(desk.threads, desk.signer)
        return await converter.prepare(
            Wanted(SHIPMENT, SmallContent(signed, BODY), NEEDS_EIGHT_BIT)
        )

    made = asyncio.run(convert())
    assert isinstance(made, Prepared)
    sent = b"".join(made.content.pieces())
    assert sent.isascii()
    assert sent.count(b"DKIM-Signature:") == 2
    monkeypatch.setattr("dkim.time.time", lambda: DAY + 2)
    assert believed(sent, 0)
    assert believed(sent, 1)
