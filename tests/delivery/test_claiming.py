"""The queue is asked in time, and not busily where most of what it gives has to go back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from postwicket.delivery.claiming import Claiming
from postwicket.storage.values import Claimed

from .names import Names, direct
from .world import SLOT, World, run, world


class Counter:
    """Counts what the queue gives, and keeps none of it if told so."""

    def __init__(self, here: World, *, keep: bool) -> None:
        self.asked = 0
        self.keep = keep
        self.queue = here.queue
        self.claiming = Claiming(
            here.queue,
            SLOT,
            time.time,
            room=lambda: 10,
            take=self.take,
            held=lambda: 0,
        )

    def take(self, found: Sequence[Claimed]) -> int:
        """Give back, or keep, what came."""
        self.asked += 1
        if self.keep:
            return sum(len(claimed.deliveries) for claimed in found)
        for claimed in found:
            self.queue.give_back(SLOT, claimed.deliveries)
        return 0


def test_a_long_queue_is_read_at_once_or_slowly() -> None:
    async def test() -> None:
        settings = direct()
        async with world(settings, Names().guide(settings)) as here:
            await here.dispatcher.drain(0.0)  # only the counter claims
            for _ in range(50):
                here.post("bob@example.com", fresh=False)
            quick = Counter(here, keep=True)
            quick.claiming.start()
            await here.until(lambda: quick.asked == 5, 2.0)
            quick.claiming.stop()
            for _ in range(50):
                here.post("bob@example.com", fresh=False)
            slow = Counter(here, keep=False)
            slow.claiming.start()
            await asyncio.sleep(0.5)
            slow.claiming.stop()
            assert 2 <= slow.asked <= 6

    run(test())
