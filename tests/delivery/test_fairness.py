"""Nobody waits because of somebody else: slow, dead, greedy and bulk next to quick and few."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .names import Names, direct
from .peer import Peer, Script
from .world import run, world


@contextmanager
def swallowing() -> Iterator[int]:
    """Yield a port of 127.0.0.1 that swallows SYNs: nobody takes its few connections."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        knocking = []
        for _ in range(8):
            one = socket.socket()
            one.settimeout(0)
            one.connect_ex(("127.0.0.1", port))
            knocking.append(one)
        try:
            yield port
        finally:
            for one in knocking:
                one.close()


def test_a_slow_site_does_not_slow_a_quick_one() -> None:
    async def test() -> None:
        settings = direct(queue={"window": 100, "retry": (0.5,)})
        slow, quick = Peer(Script(slow=0.3)), Peer(Script())
        async with slow.listening(), quick.listening():
            names = Names(
                {
                    "slow.example": [("mx.slow.example", 10, slow.port)],
                    "quick.example": [("mx.quick.example", 10, quick.port)],
                }
            )
            async with world(settings, names.guide(settings)) as here:
                for n in range(500):
                    here.post(f"r{n}@slow.example", fresh=False)
                ids = [here.post(f"r{n}@quick.example", fresh=False) for n in range(200)]
                for sent in ids:
                    assert await here.final(sent, 10) == ["delivered"]
                assert len(slow.got) < 250

    run(test())


def test_one_account_s_flood_does_not_delay_another_s_few() -> None:
    async def test() -> None:
        settings = direct(queue={"window": 100, "retry": (0.5,)})
        async with Peer(Script(slow=0.01)).listening() as peer:
            names = Names({"x.example": [("mx.x.example", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                for n in range(1500):
                    here.post(f"r{n}@x.example", fresh=False, account="big@example.org")
                await here.until(lambda: len(peer.got) > 50)
                ids = [
                    here.post(f"r{n}@x.example", account="small@example.org") for n in range(10)
                ]
                before = len(peer.got)
                for sent in ids:
                    assert await here.final(sent) == ["delivered"]
                assert len(peer.got) - before < 200

    run(test())


def test_bulk_does_not_delay_transactional_and_goes_on() -> None:
    async def test() -> None:
        settings = direct(queue={"window": 100, "retry": (0.5,)})
        async with Peer(Script(slow=0.02)).listening() as peer:
            names = Names({"x.example": [("mx.x.example", 10, peer.port)]})
            async with world(settings, names.guide(settings)) as here:
                bulk = [here.post(f"r{n}@x.example", fresh=False, lane="bulk") for n in range(400)]
                await here.until(lambda: len(peer.got) > 30)
                waits = []
                for n in range(20):
                    begun = time.monotonic()
                    await here.final(here.post(f"t{n}@x.example"))
                    waits.append(time.monotonic() - begun)
                # One connection is never bulk's: the wait is the peer's own 20 ms and little else.
                assert sorted(waits)[10] < 0.15
                done = len(peer.got)
                await here.until(lambda: len(peer.got) > done + 20)
                assert any(here.states(one) == ["delivered"] for one in bulk)

    run(test())


def test_dead_sites_cost_the_living_little() -> None:
    async def test() -> None:
        settings = direct(
            queue={"window": 200, "retry": (30.0,)}, delivery={"connect_timeout": 3.0}
        )
        with swallowing() as deaf:
            async with Peer(Script()).listening() as peer:
                names = Names(
                    {
                        f"d{n}.example": [
                            (f"mx.d{n}.example", 10, deaf if n % 10 < 3 else peer.port)
                        ]
                        for n in range(200)
                    }
                )
                async with world(settings, names.guide(settings)) as here:
                    ids = []
                    for turn in range(4):
                        for n in range(200):
                            one = here.post(f"r{turn}@d{n}.example", fresh=False)
                            if n % 10 >= 3:
                                ids.append(one)
                    begun = time.monotonic()
                    most = 0
                    while any(here.states(one) != ["delivered"] for one in ids):
                        most = max(most, here.dispatcher.held)
                        assert time.monotonic() - begun < 12
                        await asyncio.sleep(0.05)
                    assert most <= 200
                    # Not one of the dead has been given up on by then, and each was probed once.
                    assert len(peer.got) == len(ids) == 560

    run(test())
