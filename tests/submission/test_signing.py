"""What comes through the door is signed, short or long, and stored as it goes out."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postwicket.config import Listener
from postwicket.message.header import Header
from postwicket.smtp.server.terms import Terms
from postwicket.submission.listening import terms_of
from postwicket.trust.keyring import KeyRing
from postwicket.trust.signer import Signer
from tests.trust.dkim_keys import ED25519, RSA, VAULT
from tests.trust.test_dkim_oracles import believed
from tests.trust.test_keyring import Kept

from .shop import ANN, LETTER, Client, open_shop

NOW = time.time()
KEPT = [replace(pair.kept, active_from=NOW - 1) for pair in (RSA, ED25519)]
BODIES = {
    "small": b"At four?  \r\n.\r\n\r\n",
    "a file": b"At four, \t or five?\r\n" * 8000 + b"\r\n\r\n",
    "several flushes": b"At four, \t or five?  \r\n" * 32_000,
}


def roomy(listener: Listener, **given: Any) -> Terms:
    """Return terms with room for a long letter."""
    return terms_of(listener, **{**given, "size": 5_000_000})


def signer(*, verified: bool = True) -> Signer:
    kept = Kept(*KEPT, verified=NOW if verified else None)
    ring = KeyRing(kept, VAULT, time.time, print)
    return Signer(ring, time.time, ThreadPoolExecutor(1), expires=604_800.0)


def handed_in(folder: Path, letter: bytes, signer: Signer) -> bytes:
    """Hand a letter in over SMTP and return it as it is stored."""

    async def whole() -> bytes:
        async with open_shop(folder, signer=signer) as shop:
            shop.counter.allowance = replace(shop.counter.allowance, message_size=5_000_000)
            client = await Client.connect(shop.ports["none"])
            await client.hear()
            dotted = letter.replace(b"\r\n.", b"\r\n..")
            replies = await client.script(
                "EHLO laptop", f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA"
            )
            assert replies[-1].startswith("354 "), replies
            assert (await client.say(dotted + b".")).startswith("250 ")
            (claimed, _), *_ = shop.onward.offered
            content = shop.queue.content(claimed.message.id)
            stored = b"".join(content.pieces())
            assert len(stored) == content.size == claimed.message.size
            return stored

    return asyncio.run(whole())


@pytest.mark.parametrize("body", BODIES)
def test_the_stored_message_is_signed_and_below_the_trace_fields_untouched(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.submission.shop.terms_of", roomy)
    letter = LETTER.replace(b"At four?\r\n", BODIES[body])
    stored = handed_in(tmp_path, letter, signer())
    header = Header.parse(stored.partition(b"\r\n\r\n")[0] + b"\r\n")
    names = [field.key for field in header.fields[:4]]
    assert names == ["dkim-signature", "dkim-signature", "received", "from"]
    assert believed(stored, 0)
    assert believed(stored, 1)
    assert letter.partition(b"\r\n\r\n")[2] == stored.partition(b"\r\n\r\n")[2]


def test_a_domain_that_is_not_verified_is_not_signed_for(tmp_path: Path) -> None:
    stored = handed_in(tmp_path, LETTER, signer(verified=False))
    assert stored.startswith(b"Received: ")
    assert b"DKIM-Signature" not in stored
