"""Straight to exchangers on real sockets: in order, with TLS where it can be, sites shared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postwicket.core.address import Address
from postwicket.core.envelope import Sender
from postwicket.delivery.destination import Destination
from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import server_context
from postwicket.smtp.client.answer import Answer

from .names import Names, direct
from .peer import OFFERS, Peer, Script
from .world import BODY, HEADER, World, run, world


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    """Make a certificate authority once."""
    with TemporaryDirectory() as folder:
        yield ensure_authority(Path(folder), "peer.example")


def transcript(here: World, sent: int) -> str:
    return here.memory.of(sent)[0].attempts[0].transcript  # type: ignore[arg-type]


def test_mail_goes_to_the_exchanger_of_its_domain() -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(Script()).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("bob@example.com", "eve@example.com")
                assert await here.final(sent) == ["delivered", "delivered"]
                (got,) = peer.got
                assert got.data == HEADER + BODY
                kept = here.memory.of(sent)[0]
                assert kept.route == "direct"
                assert kept.attempts[0].remote == f"mx.example.com[127.0.0.1]:{peer.port}"
                again = here.post("ann@EXAMPLE.com")
                assert await here.final(again) == ["delivered"]
                assert names.asked == ["example.com"]
                assert peer.connections == 1

    run(test())


def test_the_static_hosts_are_destinations() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer:
            hosts = ({"name": "example.com", "address": f"127.0.0.1:{peer.port}"},)
            async with world(direct(host=hosts)) as here:
                assert await here.final(here.post("bob@example.com")) == ["delivered"]

    run(test())


def test_the_next_exchanger_is_tried_and_the_transcript_tells() -> None:
    async def test() -> None:
        settings = direct()
        busy = Script(greeting=b"421 4.3.2 busy\r\n!")
        async with Peer(Script()).listening() as closed:
            dead = closed.port
        async with Peer(busy).listening() as second, Peer(Script()).listening() as third:
            names = Names(
                {
                    "example.com": [
                        ("mx1.example.com", 10, dead),
                        ("mx2.example.com", 20, second.port),
                        ("mx3.example.com", 30, third.port),
                    ]
                }
            )
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("bob@example.com")
                assert await here.final(sent) == ["delivered"]
                assert here.memory.of(sent)[0].delivery.attempts == 1
                told = transcript(here, sent)
                assert "mx1.example.com[127.0.0.1]" in told
                assert "421 4.3.2 busy" in told
                assert told.index("421 4.3.2 busy") < told.index("EHLO us.example")
                assert here.settled(sent)[0].remote.startswith("mx3.example.com")

    run(test())


def test_the_answer_that_explains_best_is_told() -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(Script()).listening() as closed:
            dead = closed.port
        refusing = Script(greeting=b"554 5.7.1 we know you\r\n!")
        async with Peer(refusing).listening() as peer:
            names = Names(
                {
                    "example.com": [
                        ("mx1.example.com", 10, dead),
                        ("mx2.example.com", 20, peer.port),
                        ("mx3.example.com", 30, dead),
                    ]
                }
            )
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("bob@example.com")
                (first, *_) = await here.tried(sent)
                assert first.reply == "554 5.7.1 we know you"
                assert first.remote.startswith("mx2.example.com")
                assert first.attempts == 1

    run(test())


def test_a_domain_without_a_way_is_an_attempt() -> None:
    async def test() -> None:
        settings = direct()
        names = Names()
        async with world(settings, names.guide(settings)) as here:
            ids = [here.post("bob@nowhere.example") for _ in range(5)]
            for sent in ids:
                (first, *_) = await here.tried(sent)
                assert (first.state, first.attempts) == ("deferred", 1)
                assert "no name server" in first.reply
            assert names.asked == ["nowhere.example"]

    run(test())


def test_a_dead_domain_does_not_slow_its_neighbour_at_the_same_site() -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(Script()).listening() as closed:
            dead = closed.port
        async with Peer(Script()).listening() as peer:
            names = Names(
                {
                    "dead.example": [("a.mail.protection.outlook.com", 10, dead)],
                    "alive.example": [("b.mail.protection.outlook.com", 10, peer.port)],
                }
            )
            async with world(settings, names.guide(settings)) as here:
                gone = [here.post("bob@dead.example") for _ in range(5)]
                ids = [here.post("bob@alive.example") for _ in range(20)]
                for sent in ids:
                    assert await here.final(sent) == ["delivered"]
                for sent in gone:
                    await here.tried(sent)
                assert sum(here.memory.of(one)[0].delivery.attempts for one in gone) == 1
                (pool,) = here.dispatcher._direct.pools()
                assert pool.name == "site microsoft"

    run(test())


def test_tls_is_used_where_it_is_offered(authority: Authority) -> None:
    async def test() -> None:
        settings = direct()
        context = server_context(authority.certificate, authority.key)
        script = Script(offers=(*OFFERS, "STARTTLS"), tls=context)
        async with Peer(script).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("bob@example.com")
                assert await here.final(sent) == ["delivered"]
                assert here.memory.of(sent)[0].attempts[0].tls.startswith("TLSv1.3")

    run(test())


@pytest.mark.parametrize(
    ("script", "remark"),
    [
        (Script(), "no STARTTLS is offered"),
        (
            Script(offers=(*OFFERS, "STARTTLS"), replies={"STARTTLS": b"454 4.7.0 no\r\n"}),
            "STARTTLS was refused",
        ),
        (
            Script(offers=(*OFFERS, "STARTTLS"), replies={"STARTTLS": b"220 go\r\nnonsense!"}),
            "once more without",
        ),
    ],
)
def test_clear_text_is_what_is_left(script: Script, remark: str) -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(script).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("bob@example.com")
                if "nonsense" in str(script.replies):
                    # Bytes behind the 220 are an attack, not a failure: no clear text then.
                    (first, *_) = await here.tried(sent)
                    assert (first.state, first.cause) == ("deferred", "protocol")
                    return
                assert await here.final(sent) == ["delivered"]
                assert remark in transcript(here, sent)
                assert here.memory.of(sent)[0].attempts[0].tls == ""

    run(test())


def test_tls_that_fails_is_left_out_for_a_while() -> None:
    async def test() -> None:
        settings = direct()
        # It says 220 and then hangs up: no handshake ever comes about.
        script = Script(offers=(*OFFERS, "STARTTLS"), replies={"STARTTLS": b"220 go\r\n!"})
        async with Peer(script).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("bob@example.com")
                assert await here.final(sent) == ["delivered"]
                assert "once more without" in transcript(here, sent)
                here.dispatcher._direct.rest()
                assert await here.final(here.post("bob@example.com")) == ["delivered"]
                assert peer.commands.count("STARTTLS") == 1

    run(test())


def test_domains_of_one_site_share_connections_and_its_limit() -> None:
    async def test() -> None:
        settings = direct(destination=({"exchangers": ("mx.host.example",), "connections": 2},))
        async with Peer(Script()).listening() as peer:
            names = Names(
                {f"d{n}.example": [("mx.host.example", 10, peer.port)] for n in range(50)}
            )
            async with world(settings, names.guide(settings)) as here:
                ids = [here.post(f"bob@d{n}.example") for n in range(50)]
                for sent in ids:
                    assert await here.final(sent) == ["delivered"]
                assert peer.connections <= 2
                assert len(peer.got) == 50

    run(test())


def test_a_message_to_two_domains_is_two_transactions() -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(Script()).listening() as one, Peer(Script()).listening() as other:
            names = Names(
                {
                    "a.example": [("mx.a.example", 10, one.port)],
                    "b.example": [("mx.b.example", 10, other.port)],
                }
            )
            async with world(settings, names.guide(settings)) as here:
                sent = here.post("x@a.example", "y@b.example", "z@a.example")
                assert await here.final(sent) == ["delivered"] * 3
                assert one.got[0].recipients == ["x@a.example", "z@a.example"]
                assert other.got[0].recipients == ["y@b.example"]

    run(test())


def test_sites_are_forgotten_when_nobody_writes_to_them() -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(Script()).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                await here.final(here.post("bob@example.com"))
                way = here.dispatcher._direct
                way.tidy()
                assert len(list(way.pools())) == 1
                (pool,) = way.pools()
                way.rest()
                await here.until(lambda: not peer.open)
                pool._used -= 3600.0
                way.tidy()
                assert list(way.pools()) == []

    run(test())


def test_domains_about_which_nobody_answers_keep_no_other_waiting() -> None:
    async def test() -> None:
        settings = direct()
        async with Peer(Script()).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})

            async def find(domain: str) -> Destination | Answer:
                if domain.startswith("silent"):
                    await asyncio.sleep(2.0)
                return await names.find(domain)

            guide = replace(names.guide(settings), find=find)
            async with world(settings, guide) as here:
                for number in range(300):
                    here.post(f"bob@silent{number}.example")
                began = time.monotonic()
                sent = here.post("bob@example.com")
                assert await here.final(sent) == ["delivered"]
                assert time.monotonic() - began < 1.5

    run(test())


def test_a_mistake_of_ours_is_told_and_nobody_waits_for_ever() -> None:
    async def test() -> None:
        settings = direct()
        seen: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: seen.append(what))
        names = Names({"example.com": [("mx.example.com", 10, 1)]})

        async def lost(_: str) -> Destination:
            raise ZeroDivisionError

        def torn(*_: object) -> None:
            raise ZeroDivisionError

        guide = replace(names.guide(settings), find=lost)
        async with world(settings, guide) as here:
            (first, *_) = await here.tried(here.post("bob@example.com"))
            assert first.reply.startswith("451 4.3.0 ")
        guide = replace(names.guide(settings), tls=torn)
        async with world(settings, guide) as here:
            (first, *_) = await here.tried(here.post("bob@example.com"))
            assert first.state == "deferred"
            assert "a mistake of this server" in first.reply
        assert len(seen) == 2

    run(test())


def test_the_number_of_sites_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr("postwicket.delivery.direct.MOST_SITES", 10)
        settings = direct()
        async with Peer(Script()).listening() as peer:
            names = Names(
                {f"d{n}.example": [(f"mx.d{n}.example", 10, peer.port)] for n in range(50)}
            )
            async with world(settings, names.guide(settings)) as here:
                for n in range(50):
                    await here.final(here.post(f"bob@d{n}.example"))
                    here.dispatcher._direct.rest()
                    await here.until(lambda: not peer.open)
                assert len(list(here.dispatcher._direct.pools())) <= 11
                assert len(peer.got) == 50

    run(test())


def test_what_waits_for_its_turn_says_so() -> None:
    async def test() -> None:
        settings = direct(
            queue={"window": 20},
            destination=({"domains": ("x.example",), "messages_per_minute": 60},),
        )
        async with Peer(Script()).listening() as peer:
            names = Names({"x.example": [("mx.x.example", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                for n in range(40):
                    here.post(f"r{n}@x.example", fresh=False)
                await here.until(lambda: len(peer.got) >= 2)
                await here.until(lambda: any(k.why for k in here.memory.deliveries.values()))
                waiting = [k for k in here.memory.deliveries.values() if k.claimed_by is None]
                told = [k for k in waiting if "60 messages a minute" in k.why]
                assert told
                assert all(kept.site == "destination x.example" for kept in told)
                assert all(kept.delivery.state.value == "queued" for kept in told)
                assert all(kept.delivery.attempts == 0 for kept in told)
                assert all((kept.delivery.due or 0) > time.time() for kept in told)
                assert here.settled(told[0].delivery.message) == []  # nothing to tell the journal

    run(test())


def test_a_route_has_its_own_source_address_and_so_its_own_connections() -> None:
    async def test() -> None:
        routes = (
            {"senders": ["bulk@example.org"], "via": "direct", "source_address": "127.0.0.7"},
            {"via": "direct"},
        )
        settings = direct(delivery={"source_address": ["127.0.0.8", "::1"]}, route=routes)
        async with Peer(Script()).listening() as peer:
            names = Names({"example.com": [("mx.example.com", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                bulk = Sender(address=Address.parse("bulk@example.org"))
                for sender in (None, bulk, None, bulk):
                    sent = here.post("bob@example.com", sender=sender)
                    assert await here.final(sent) == ["delivered"]
                assert sorted(peer.callers) == ["127.0.0.7", "127.0.0.8"]

    run(test())
