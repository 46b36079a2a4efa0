"""Mail goes out: dispatcher, pool and connection against a peer on a real socket."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from postwicket.core.address import Address
from postwicket.core.entry import Notified
from postwicket.core.envelope import Notify, Recipient, Sender
from postwicket.storage.interfaces import StorageUnavailable

from .peer import OFFERS, Peer, Script
from .world import BODY, HEADER, SLOT, run, settings_for, world


def test_a_fresh_message_arrives_byte_for_byte() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com", "eve@example.com")
            assert await here.final(sent) == ["delivered", "delivered"]
            (got,) = peer.got
            assert got.data == HEADER + BODY
            assert got.recipients == ["bob@example.com", "eve@example.com"]
            (kept, other) = here.memory.of(sent)
            assert kept.delivery.attempts == 1
            assert kept.route == "upstream:peer"
            transcript = kept.attempts[0].transcript
            assert "RCPT TO:<bob@example.com>" in transcript
            assert "RCPT TO:<eve@example.com>" not in transcript
            assert "RCPT TO:<eve@example.com>" in other.attempts[0].transcript
            assert kept.attempts[0].remote == f"[127.0.0.1]:{peer.port}"
            assert here.settled(sent)[0].reply == "250 2.0.0 taken"

    run(test())


def test_connections_are_kept_and_worn() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer:
            settings = settings_for(
                peer.port, upstream={"connections": 1, "messages_per_connection": 5}
            )
            async with world(settings) as here:
                ids = [here.post("bob@example.com") for _ in range(12)]
                for sent in ids:
                    assert await here.final(sent) == ["delivered"]
                assert peer.connections == 3
                assert peer.commands.count("RSET") == 0
                assert peer.commands.count("QUIT") == 2

    run(test())


def test_idle_connections_say_goodbye() -> None:
    async def test() -> None:
        async with (
            Peer(Script()).listening() as peer,
            world(settings_for(peer.port, upstream={"idle": 0.1})) as here,
        ):
            await here.final(here.post("bob@example.com"))
            await here.until(lambda: "QUIT" in peer.commands)
            await here.until(lambda: not peer.open)

    run(test())


def test_what_is_due_is_claimed_and_sent() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com", fresh=False)
            begun = time.monotonic()
            assert await here.final(sent) == ["delivered"]
            assert time.monotonic() - begun < 1.5

    run(test())


def test_capture_and_discard_need_no_network() -> None:
    async def test() -> None:
        routes = ({"recipients": ("*@void.example",), "via": "discard"},)
        async with world(settings_for(route=routes)) as here:
            sent = here.post("bob@example.com", "eve@VOID.example")
            assert await here.final(sent) == ["captured", "discarded"]
            assert here.memory.of(sent)[0].route == "capture"

    run(test())


def test_one_recipient_is_refused_and_the_sender_hears_of_it() -> None:
    async def test() -> None:
        script = Script(replies={"RCPT TO:<eve@example.com>": b"550 5.1.1 No such person\r\n"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com", "eve@example.com")
            assert await here.final(sent) == ["delivered", "failed"]
            assert here.memory.of(sent)[1].cause == "recipient"
            (notice,) = here.notices()
            assert notice.envelope.sender.address is None
            assert str(notice.envelope.recipients[0].address) == "ann@example.org"
            await here.final(notice.id)
            text = peer.got[1].data
            assert b"550 5.1.1 No such person" in text
            assert b"bob@example.com" not in text
            (told,) = here.entries(Notified)
            assert (told.message, told.action) == (sent, "failed")

    run(test())


def test_never_a_notice_for_a_notice() -> None:
    async def test() -> None:
        script = Script(replies={"RCPT": b"550 5.1.1 no\r\n"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com", sender=Sender(address=None))
            assert await here.final(sent) == ["failed"]
            assert here.notices() == []

    run(test())


def test_ret_full_brings_a_small_body_back() -> None:
    async def test() -> None:
        script = Script(replies={".": b"554 5.7.1 no\r\n"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            ann = Address.parse("ann@example.org")
            for ret, expected in (("FULL", True), ("HDRS", False), ("", False)):
                sent = here.post("bob@example.com", sender=Sender(address=ann, ret=ret))
                await here.final(sent)
                assert (b"Hello" in here.bytes_of(here.notices()[-1].id)) is expected

    run(test())


def test_success_is_told_when_the_peer_will_not() -> None:
    async def test() -> None:
        to = Recipient(Address.parse("bob@example.com"), frozenset({Notify.SUCCESS}))
        for offers, expected in ((OFFERS, 1), ((*OFFERS, "DSN"), 0)):
            async with (
                Peer(Script(offers=offers)).listening() as peer,
                world(settings_for(peer.port)) as here,
            ):
                assert await here.final(here.post(to)) == ["delivered"]
                assert len(here.notices()) == expected

    run(test())


def test_a_temporary_no_is_tried_again() -> None:
    async def test() -> None:
        script = Script(replies={"RCPT": b"450 4.2.0 later\r\n"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            (first, *_) = await here.tried(sent)
            assert (first.state, first.attempts) == ("deferred", 1)
            assert first.next_attempt is not None
            script.replies.clear()
            assert await here.final(sent) == ["delivered"]
            assert here.memory.of(sent)[0].delivery.attempts >= 2

    run(test())


def test_late_mail_is_told_of_once_and_then_given_up() -> None:
    async def test() -> None:
        script = Script(replies={"RCPT": b"450 4.2.0 later\r\n"})
        queue = {"retry": (0.05,), "delay_notice": 3600.0, "expire": 7202.0}
        async with Peer(script).listening() as peer:
            routes = (
                {"recipients": ("ann@*",), "via": "capture"},
                {"via": "upstream:peer"},
            )
            async with world(settings_for(peer.port, queue=queue, route=routes)) as here:
                sent = here.post("bob@example.com", age=7200.0)
                assert await here.final(sent) == ["expired"]
                actions = [entry.action for entry in here.entries(Notified)]
                assert actions == ["delayed", "failed"]

    run(test())


def test_a_lost_final_answer_is_uncertain_and_sent_again() -> None:
    async def test() -> None:
        script = Script(replies={".": b"!"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            (first, *_) = await here.tried(sent)
            assert (first.state, first.cause) == ("uncertain", "network")
            assert "may have been delivered" in first.why
            script.replies.clear()
            assert await here.final(sent) == ["delivered"]
            assert [got.data for got in peer.got] == [HEADER + BODY] * 2

    run(test())


def test_a_host_that_is_down_costs_one_attempt_and_the_others_wait() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer:
            port = peer.port
        queue = {"retry": (0.4,)}
        async with world(settings_for(port, queue=queue)) as here:
            ids = [here.post(f"r{n}@example.com") for n in range(20)]
            for sent in ids:
                await here.tried(sent)
            attempts = [here.memory.of(sent)[0].delivery.attempts for sent in ids]
            assert sum(attempts) == 1
            waiting = here.settled(ids[5])[0]
            assert (waiting.state, waiting.cause, waiting.attempts) == ("deferred", "network", 0)
            async with Peer(Script()).listening(port) as again:
                for sent in ids:
                    assert await here.final(sent, 10) == ["delivered"]
                assert len(again.got) == 20

    run(test())


def test_a_refused_sign_in_defers_and_blames_us() -> None:
    async def test() -> None:
        script = Script(offers=(*OFFERS, "AUTH PLAIN"), replies={"AUTH": b"535 5.7.8 no\r\n"})
        async with Peer(script).listening() as peer:
            upstream = {"username": "ann", "password": "hunter2secret"}
            async with world(settings_for(peer.port, upstream=upstream)) as here:
                sent = here.post("bob@example.com")
                (first, *_) = await here.tried(sent)
                assert (first.state, first.cause) == ("deferred", "authentication")
                kept = here.memory.of(sent)[0]
                assert "hunter2" not in repr(kept)
                assert "AUTH PLAIN ********" in kept.attempts[0].transcript

    run(test())


def test_a_host_that_takes_few_connections_gets_few() -> None:
    async def test() -> None:
        async with (
            Peer(Script(most=2)).listening() as peer,
            world(settings_for(peer.port)) as here,
        ):
            ids = [here.post(f"r{n}@example.com") for n in range(30)]
            for sent in ids:
                assert await here.final(sent) == ["delivered"]
            assert all(here.memory.of(sent)[0].delivery.attempts == 1 for sent in ids)

    run(test())


def test_a_stale_connection_costs_nothing() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            await here.final(here.post("bob@example.com"))
            peer.script.once["MAIL"] = b"421 4.4.2 idle for too long\r\n!"
            sent = here.post("bob@example.com")
            assert await here.final(sent) == ["delivered"]
            assert len(here.settled(sent)) == 1
            assert peer.connections == 2

    run(test())


def test_silence_has_an_end() -> None:
    async def test() -> None:
        script = Script(replies={"MAIL": None})
        async with Peer(script).listening() as peer:
            delivery = {"command_timeout": 0.1}
            async with world(settings_for(peer.port, delivery=delivery)) as here:
                sent = here.post("bob@example.com")
                (first, *_) = await here.tried(sent)
                assert "no answer in time" in first.reply
                assert first.cause == "network"

    run(test())


def test_large_content_streams() -> None:
    async def test() -> None:
        for offers in (OFFERS, (*OFFERS, "CHUNKING")):
            async with (
                Peer(Script(offers=offers)).listening() as peer,
                world(settings_for(peer.port)) as here,
            ):
                spool = here.memory.bodies.spool()
                body = b"\r\n" + b".0123456789\r\n" * 250_000
                spool.append(body)
                spool.flush()
                stored = spool.finish(here.ids.next(time.time()))
                assert stored is not None
                sent = here.post("bob@example.com", stored=stored)  # type: ignore[arg-type]
                assert await here.final(sent, 15) == ["delivered"]
                assert peer.got[0].data == HEADER + body

    run(test())


def test_a_peer_that_does_not_read_costs_no_memory() -> None:
    async def test() -> None:
        script = Script(stop_reading=True)
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            spool = here.memory.bodies.spool()
            spool.append(b"\r\n" + b"0123456789\r\n" * 2_000_000)
            spool.flush()
            stored = spool.finish(here.ids.next(time.time()))
            sent = here.post("bob@example.com", stored=stored)  # type: ignore[arg-type]
            await here.until(lambda: "DATA" in peer.commands)
            await asyncio.sleep(0.3)
            (connection,) = here.dispatcher._upstreams._pools["peer"]._busy
            assert connection._transport is not None
            assert connection._transport.get_write_buffer_size() < 1_048_576
            assert here.states(sent) == ["queued"]
            next(iter(peer.open)).transport.abort()
            (first, *_) = await here.tried(sent)
            assert (first.state, first.cause) == ("deferred", "network")
            script.stop_reading = False
            await here.final(sent)

    run(test())


def test_content_that_may_not_leave_fails_with_a_notice() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com", body=b"\r\nbare\nline\r\n")
            assert await here.final(sent) == ["failed"]
            assert here.settled(sent)[0].cause == "content"
            assert peer.got == []
            assert len(here.notices()) == 1

    run(test())


def test_hostile_answers_are_a_temporary_matter() -> None:
    async def test() -> None:
        for bad in (
            b"850 NONSENSE\r\n",
            b"\x00\xff\r\n",
            b"250-" + b"x" * 9000,
            b"250-a\r\n251 b\r\n",
        ):
            script = Script(replies={"MAIL": bad})
            async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
                (first, *_) = await here.tried(here.post("bob@example.com"))
                assert (first.state, first.cause) == ("deferred", "protocol")

    run(test())


def test_storage_that_fails_never_sends_twice() -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer, world(settings_for(peer.port)) as here:
            settle = here.queue.settle
            tries = []

            def broken(*args: object) -> object:
                tries.append(args)
                if len(tries) < 3:
                    raise StorageUnavailable("disk full")
                return settle(*args)  # type: ignore[arg-type]

            here.queue.settle = broken  # type: ignore[method-assign,assignment]
            sent = here.post("bob@example.com")
            assert await here.final(sent) == ["delivered"]
            assert len(peer.got) == 1
            assert len(tries) == 3

    run(test())


def test_drain_hands_back_what_has_not_begun() -> None:
    async def test() -> None:
        script = Script(replies={"MAIL": None})
        async with (
            Peer(script).listening() as peer,
            world(settings_for(peer.port, upstream={"connections": 1})) as here,
        ):
            ids = [here.post(f"r{n}@example.com") for n in range(5)]
            await here.until(lambda: any(c.startswith("MAIL") for c in peer.commands))
            await here.dispatcher.drain(time.time() + 0.05)
            for sent in ids:
                (kept,) = here.memory.of(sent)
                assert (kept.claimed_by, kept.delivery.state.value) == (None, "queued")
                assert kept.delivery.attempts == 0
            assert not here.dispatcher.room(here.memory.messages[ids[0]])
            late = here.post("late@example.com")
            assert here.memory.of(late)[0].claimed_by is None

    run(test())


def test_drain_tells_what_may_have_arrived() -> None:
    async def test() -> None:
        script = Script(replies={".": None})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            await here.until(lambda: peer.got)
            await here.dispatcher.drain(time.time())
            assert here.states(sent) == ["uncertain"]

    run(test())


def test_drain_lets_what_is_under_way_finish() -> None:
    async def test() -> None:
        script = Script(replies={".": None})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            await here.until(lambda: peer.got)
            draining = asyncio.ensure_future(here.dispatcher.drain(time.time() + 5))
            await asyncio.sleep(0.02)
            next(iter(peer.open)).say(b"250 2.0.0 at last\r\n")
            await draining
            assert here.states(sent) == ["delivered"]

    run(test())


def test_the_window_is_bounded() -> None:
    async def test() -> None:
        script = Script(replies={".": None})
        async with Peer(script).listening() as peer:
            queue = {"window": 10, "retry": (0.2,)}
            async with world(settings_for(peer.port, queue=queue)) as here:
                ids = [here.post(f"r{n}@example.com", fresh=False) for n in range(30)]
                await asyncio.sleep(1.2)
                # One account has two thirds of it, and there is room for another one.
                assert here.dispatcher.held == 7
                message = here.memory.messages[ids[0]]
                assert not here.dispatcher.room(message)
                assert here.dispatcher.room(replace(message, account="eve@example.org"))
                claimed = [k for k in here.memory.deliveries.values() if k.claimed_by == SLOT]
                assert len(claimed) == 7
                others = [k for k in here.memory.deliveries.values() if k.claimed_by is None]
                assert all(kept.delivery.state.value == "queued" for kept in others)
                assert all(kept.delivery.attempts == 0 for kept in others)

    run(test())


def test_a_host_that_hangs_up_behind_its_hello_is_given_time() -> None:
    async def test() -> None:
        # The reply that ends the session comes in one segment with the one that opens it.
        script = Script(replies={"EHLO": b"250 peer\r\n421 4.3.2 going down\r\n!"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            await here.until(lambda: bool(here.memory.of(sent)[0].attempts))
            (kept,) = here.memory.of(sent)
            assert kept.attempts[0].reply == "421 4.3.2 going down"
            assert peer.connections == 1

    run(test())


def test_a_peer_that_answers_just_in_time_does_not_hold_a_connection_for_hours() -> None:
    async def test() -> None:
        # Each reply comes within the limit for one reply; there are forty of them.
        script = Script(offers=("SIZE 0",), late=0.08)
        delivery = {"command_timeout": 0.15, "connect_timeout": 1.0}
        async with (
            Peer(script).listening() as peer,
            world(settings_for(peer.port, delivery=delivery)) as here,
        ):
            sent = here.post(*[f"r{n}@example.com" for n in range(40)])
            begun = time.monotonic()
            (first, *_) = await here.tried(sent)
            assert time.monotonic() - begun < 2.0
            assert (first.state, first.cause) == ("deferred", "network")
            assert "too slowly" in first.reply

    run(test())
