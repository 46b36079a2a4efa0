"""Signatures are made in threads, many in one turn, and only for domains of ours."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import dkim  # type: ignore[import-untyped]
import pytest

from postwicket.message.header import Header
from postwicket.trust import signer as signing
from postwicket.trust.dkim import BodyHasher
from postwicket.trust.keyring import KeyRing
from postwicket.trust.signer import Signer

from .dkim_keys import DAY, ED25519, RSA, VAULT, pair
from .test_dkim import tags
from .test_dkim_oracles import believed
from .test_keyring import Kept

HEADER = b"From: Ann <ann@news.example.org>\r\nSubject: tea\r\n"
BODY = b"\r\nAt four? \r\n"
WEEK = 604_800.0


class Desk:
    """A signer with two threads, and what it said."""

    def __init__(self, kept: Kept | None = None, now: float = DAY + 1) -> None:
        self.threads = ThreadPoolExecutor(2)
        self.unsigned: list[str] = []
        self.now = now
        ring = KeyRing(kept or Kept(RSA.kept, ED25519.kept), VAULT, lambda: self.now, print)
        self.signer = Signer(
            ring,
            lambda: self.now,
            self.threads,
            expires=WEEK,
            unsigned=self.unsigned.append,
        )


def fields(header: bytes) -> list[dict[str, str]]:
    found = Header.parse(header).get_all("dkim-signature")
    return [tags(field.raw) for field in found]


def test_a_message_gets_two_signatures_on_top_and_nothing_else_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    signed = asyncio.run(desk.signer.sign(HEADER, BODY))
    assert signed.endswith(HEADER)
    assert [one["a"] for one in fields(signed)] == ["rsa-sha256", "ed25519-sha256"]
    assert fields(signed)[0]["x"] == str(int(DAY + 1 + WEEK))
    monkeypatch.setattr("dkim.time.time", lambda: DAY + 2)
    assert believed(signed + BODY, 0)
    assert believed(signed + BODY, 1)
    hasher = BodyHasher(separator=True)
    hasher.update(BODY)
    assert believed(desk.signer.sign_now(HEADER, hasher) + BODY, 0)


def test_a_domain_beyond_ascii_signs_with_its_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    key = pair("ed25519-sha256", id=7, domain="xn--bcher-kva.example").kept
    header = "From: J\u00fcrgen <j\u00fcrgen@B\u00fccher.example>\r\nSubject: Tee\r\n".encode()
    signed = Desk(Kept(key)).signer.sign_now(header, BODY)
    assert [one["d"] for one in fields(signed)] == ["xn--bcher-kva.example"]
    monkeypatch.setattr("dkim.time.time", lambda: DAY + 2)

    def look(name: bytes, timeout: int = 5) -> bytes:  # noqa: ARG001
        return key.record.encode() if name.decode() == f"{key.name}." else b""

    assert dkim.DKIM(signed + BODY).verify(dnsfunc=look)


def test_a_signature_outlives_a_message_that_waits_long() -> None:
    signed = Desk().signer.sign_now(HEADER, BODY, lives_until=DAY + 2 * WEEK)
    assert int(fields(signed)[0]["x"]) > DAY + 2 * WEEK


@pytest.mark.parametrize(
    "header",
    [
        b"From: eve@example.com\r\n",
        b"From: eve@notexample.org\r\n",
        b"Subject: from nobody\r\n",
        b"From: (((\r\n",
        b"no header at all",
        b"From: eve@example.com, ann@example.org\r\n",
    ],
)
def test_strangers_are_not_signed_for(header: bytes) -> None:
    assert asyncio.run(Desk().signer.sign(header, BODY)) == header


def test_an_unsigned_domain_is_told_once_an_hour() -> None:
    desk = Desk()
    for _ in range(5):
        desk.signer.sign_now(b"From: eve@example.com\r\n", BODY)
    assert desk.unsigned == ["example.com"]
    desk.now += 3601
    desk.signer.sign_now(b"From: eve@example.com\r\n", BODY)
    assert desk.unsigned == ["example.com", "example.com"]
    quiet = Desk(Kept())
    quiet.signer.sign_now(b"From: eve@example.com\r\n", BODY)
    assert quiet.unsigned == []
    assert quiet.signer.hasher() is None


def test_what_comes_while_the_threads_are_busy_goes_in_one_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns: list[int] = []
    names: set[str] = set()
    real = signing._sign_all

    def counted(jobs: list[signing._Job]) -> list[bytes | Exception]:
        turns.append(len(jobs))
        names.add(threading.current_thread().name)
        return real(jobs)

    monkeypatch.setattr(signing, "_sign_all", counted)

    async def many() -> list[bytes]:
        desk = Desk()
        mail = [b"From: ann@example.org\r\nSubject: %d\r\n" % n for n in range(50)]
        return await asyncio.gather(*(desk.signer.sign(one, BODY) for one in mail))

    signed = asyncio.run(many())
    assert [one.endswith(b"Subject: %d\r\n" % n) for n, one in enumerate(signed)] == [True] * 50
    assert sum(turns) == 50
    assert turns == [1, 1, signing.BATCH, 48 - signing.BATCH]
    assert threading.current_thread().name not in names


def test_who_has_gone_and_a_message_that_cannot_be_signed_hinder_nobody() -> None:
    async def three() -> tuple[object, object]:
        desk = Desk()
        gone = asyncio.ensure_future(desk.signer.sign(HEADER, BODY))
        known = Header.parse(HEADER)
        broken = desk.signer.sign(b"no header", BODY, known=known)
        fine = desk.signer.sign(HEADER, BODY)
        waiting = asyncio.gather(broken, fine, return_exceptions=True)
        await asyncio.sleep(0)
        gone.cancel()
        return await waiting

    broken, fine = asyncio.run(three())
    assert isinstance(broken, ValueError)
    assert isinstance(fine, bytes)


def test_what_was_converted_is_signed_again_and_others_signatures_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    other = b"DKIM-Signature: v=1; d=other.example; s=pw20261124r; b=AAAA\r\n"
    signed = desk.signer.sign_now(other + HEADER, BODY)
    converted = BODY.replace(b"four", b"=66our")
    again = desk.signer.resign(signed, [converted[:3], converted[3:]])
    assert [one["d"] for one in fields(again)] == ["example.org", "example.org", "other.example"]
    assert again.endswith(other + HEADER)
    monkeypatch.setattr("dkim.time.time", lambda: DAY + 2)
    assert believed(again + converted, 0)
    assert not believed(signed + converted, 0)
    assert desk.signer.resign(b"no header", [BODY]) == b"no header"
