"""Mail that the next server cannot take as it is: converted, or returned with the reason."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from email import message_from_bytes

import pytest

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Sender
from postwicket.delivery.converting import Converter, Prepared, Wanted
from postwicket.delivery.shipment import Shipment
from postwicket.smtp.client.commands import NEEDS_EIGHT_BIT
from postwicket.storage.bodies import SmallContent
from postwicket.storage.interfaces import Content

from .peer import Peer, Script
from .test_conclude import SHIPMENT
from .world import World, run, settings_for, world

ANN = Address.parse("ann@example.org")
HEADER = (
    b"From: ann@example.org\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
)
TEXT = "Grüße\r\n.\r\n".encode()
OLD = ("PIPELINING", "SIZE 0")


def transcript(here: World) -> str:
    return "\n".join(
        attempt.transcript for kept in here.memory.deliveries.values() for attempt in kept.attempts
    )


def decoded(data: bytes) -> bytes:
    payload = message_from_bytes(data).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


@pytest.mark.parametrize("times", [1, 60_000])
def test_eight_bits_become_seven_for_a_server_without_8bitmime(times: int) -> None:
    async def test() -> None:
        script = Script(offers=OLD)
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sender = Sender(address=ANN, body=Body.EIGHT_BIT)
            body = b"\r\n" + TEXT * times
            sent = here.post("bob@example.com", header=HEADER, body=body, sender=sender)
            assert await here.final(sent) == ["delivered"]
            (got,) = peer.got
            assert got.data.isascii()
            assert decoded(got.data) == TEXT * times
            assert not any("BODY=" in command for command in peer.commands)
            (entry,) = await here.tried(sent)
            assert "converted to 7 bits" in transcript(here)
            assert entry.state == "delivered"

    run(test())


def test_large_content_that_was_ascii_all_along_goes_as_it_is() -> None:
    async def test() -> None:
        async with (
            Peer(Script(offers=OLD)).listening() as peer,
            world(settings_for(peer.port)) as here,
        ):
            body = b"\r\n" + b"plain\r\n" * 40_000
            sent = here.post("bob@example.com", header=HEADER, body=body)
            assert await here.final(sent) == ["delivered"]
            assert peer.got[0].data == HEADER + body
            assert "converted" not in transcript(here)

    run(test())


def test_utf8_headers_become_encoded_words_where_all_addresses_are_ascii() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            header = "From: Änn <ann@example.org>\r\nSubject: Grüße\r\n".encode()
            sender = Sender(address=ANN, smtputf8=True, body=Body.EIGHT_BIT)
            sent = here.post("bob@bücher.example", header=header, sender=sender)
            assert await here.final(sent) == ["delivered"]
            (got,) = peer.got
            assert got.data.startswith(b"From: =?utf-8?b?w4Rubg==?= <ann@example.org>\r\n")
            assert got.recipients == ["bob@xn--bcher-kva.example"]
            assert not any("SMTPUTF8" in command for command in peer.commands)

    run(test())


@pytest.mark.parametrize(
    ("header", "rule", "reason"),
    [
        (
            HEADER.replace(b"text/plain", b"multipart/signed; boundary=b"),
            "content.8bit-not-supported",
            "multipart/signed",
        ),
        (HEADER + "To: ä@example.org\r\n".encode(), "content.8bit-not-supported", "ASCII form"),
    ],
)
def test_what_may_not_be_converted_fails_with_both_reasons(
    header: bytes, rule: str, reason: str
) -> None:
    async def test() -> None:
        async with (
            Peer(Script(offers=OLD)).listening() as peer,
            world(settings_for(peer.port)) as here,
        ):
            sent = here.post("bob@example.com", header=header, body=b"\r\n" + TEXT)
            assert await here.final(sent) == ["failed"]
            (entry,) = await here.tried(sent)
            assert reason in entry.reply
            assert rule in entry.reply
            assert peer.got == []

    run(test())


def test_a_peer_that_leaves_meanwhile_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has not been tried: it goes over the next connection."""
    convert = Converter._convert

    def slowly(self: Converter, shipment: Shipment, content: Content) -> Content:
        time.sleep(0.2)
        return convert(self, shipment, content)

    monkeypatch.setattr(Converter, "_convert", slowly)

    async def test() -> None:
        async with (
            Peer(Script(offers=OLD)).listening() as peer,
            world(settings_for(peer.port)) as here,
        ):
            sent = here.post("bob@example.com", header=HEADER, body=b"\r\n" + TEXT)
            while not peer.open:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            for session in list(peer.open):
                session.transport.abort()
            assert await here.final(sent) == ["delivered"]
            assert len(peer.got) == 1
            assert peer.connections == 2

    run(test())


class Stamp:
    """Signs by putting a field on top."""

    def resign(self, header: bytes, pieces: Iterable[bytes], *, lives_until: float = 0.0) -> bytes:
        """Put the size of what follows, and the time, on top."""
        return b"X-Signed: %d %d\r\n" % (len(b"".join(pieces)), lives_until) + header


def test_what_was_changed_is_signed_again_and_what_was_not_is_not() -> None:
    async def prepare(body: bytes) -> Prepared:
        converter = Converter(resigner=Stamp())
        wanted = Wanted(SHIPMENT, SmallContent(HEADER, b"\r\n" + body), NEEDS_EIGHT_BIT)
        made = await converter.prepare(wanted)
        assert isinstance(made, Prepared)
        return made

    changed = asyncio.run(prepare(TEXT))
    body = b"".join(changed.content.pieces()).partition(b"\r\n\r\n")[2]
    stamp = b"X-Signed: %d 100000\r\n" % (len(body) + 2)
    assert changed.content.header.startswith(stamp)
    assert changed.content.size == changed.mail.size == len(changed.mail.whole or b"")
    plain = asyncio.run(prepare(b"Hello\r\n"))
    assert plain.content.header == HEADER
    assert plain.remarks == ()


def test_a_strangers_mail_gets_no_signature_of_ours() -> None:
    """What came to the postmaster is sent on under no account, with any From."""
    from_outside = replace(SHIPMENT, message=replace(SHIPMENT.message, account=""))

    async def prepare() -> Prepared:
        wanted = Wanted(from_outside, SmallContent(HEADER, b"\r\n" + TEXT), NEEDS_EIGHT_BIT)
        made = await Converter(resigner=Stamp()).prepare(wanted)
        assert isinstance(made, Prepared)
        return made

    assert not asyncio.run(prepare()).content.header.startswith(b"X-Signed")
