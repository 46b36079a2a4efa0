"""Mistakes of our own: told to who runs the server, and never a reason to lose or repeat mail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postwicket.core.envelope import NO_DEMANDS
from postwicket.delivery import bounce, claiming
from postwicket.delivery.converting import Converter
from postwicket.delivery.direct import Direct
from postwicket.delivery.shipment import Shipment

from .names import Names, direct
from .peer import Peer, Script
from .test_converting import HEADER, OLD, TEXT
from .world import run, settings_for, world


class Mistake(Exception):
    """Something that nobody thought of."""


def mistake(*_: object, **__: object) -> Any:
    """Make one."""
    raise Mistake


def heard() -> list[object]:
    """Return a list of the mistakes that the loop is told of."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(type(context["exception"])))
    return told


def test_a_notice_that_cannot_be_written_does_not_send_the_mail_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounce, "build_notice", mistake)

    async def test() -> None:
        told = heard()
        script = Script(replies={"RCPT TO:<bob@example.com>": b"550 5.1.1 no such user\r\n"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com", "eve@example.com")
            assert sorted(await here.final(sent)) == ["delivered", "failed"]
            await here.until(lambda: here.dispatcher.held == 0)
            assert told == [Mistake]
            assert here.notices() == []

    run(test())


def test_a_conversion_that_breaks_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    convert = Converter._convert
    monkeypatch.setattr(Converter, "_convert", mistake)

    async def test() -> None:
        told = heard()
        async with (
            Peer(Script(offers=OLD)).listening() as peer,
            world(settings_for(peer.port)) as here,
        ):
            sent = here.post("bob@example.com", header=HEADER, body=b"\r\n" + TEXT)
            (first,) = await here.tried(sent)
            assert (first.state, told) == ("deferred", [Mistake])
            assert "a mistake of this server" in first.reply
            monkeypatch.setattr(Converter, "_convert", convert)
            assert await here.final(sent) == ["delivered"]

    run(test())


def test_one_shipment_that_breaks_keeps_no_other_from_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = Direct._send
    broken: list[Shipment] = []

    def first_breaks(self: Direct, shipment: Shipment, found: Any) -> None:
        if not broken:
            broken.append(shipment)
            raise Mistake
        send(self, shipment, found)

    monkeypatch.setattr(Direct, "_send", first_breaks)

    async def test() -> None:
        told = heard()
        given = direct()
        async with Peer(Script()).listening() as peer:
            known = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(given, known.guide(given)) as here:
                here.post("bob@example.com")
                second = here.post("eve@example.com")
                assert await here.final(second) == ["delivered"]
                assert told == [Mistake]
                # The window still counts the one that broke: send it on, so that all can end.
                ways = here.dispatcher._direct
                send(ways, broken[0], ways._known["example.com", "", NO_DEMANDS].found)
                await here.until(lambda: here.dispatcher.held == 0)

    run(test())


def test_a_worker_looks_again_whatever_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "POLL_EVERY", 0.05)

    async def test() -> None:
        told = heard()
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            next_due = here.queue.next_due
            monkeypatch.setattr(here.queue, "next_due", mistake)
            sent = here.post("bob@example.com", fresh=False)
            await here.until(lambda: told)
            monkeypatch.setattr(here.queue, "next_due", next_due)
            assert await here.final(sent) == ["delivered"]

    run(test())
