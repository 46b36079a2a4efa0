"""One click, kept in the real storage."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from postwicket.returns.tempo import Tempo
from postwicket.returns.unsubscribing import Unsubscribing
from postwicket.trust.return_path import Purpose
from tests.returns.port25 import open_port25
from tests.returns.test_session import fresh


def test_a_link_unsubscribes_its_recipient_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_port25(tmp_path) as here:
            ours = fresh("bob@example.com", "eve@example.com", lane="bulk")
            await here.sent(ours)
            links = Unsubscribing(
                paths=here.paths,
                find=here.shop.queue.message,
                keeping=here.reception.keeping,
                clock=time.time,
                tempo=Tempo(per_hour=60, burst=3),
            )
            token = here.paths.token(ours.id, 2, Purpose.UNSUBSCRIBE)
            assert links.is_known(token)
            assert not links.is_known(here.paths.token(ours.id, 2, Purpose.BOUNCE))
            assert not links.is_known(here.paths.token(fresh().id, 1, Purpose.UNSUBSCRIBE))
            assert not links.is_known("u-" + "a" * 32)
            assert here.states(ours.id) == ["delivered", "delivered"], "to look changes nothing"
            assert await links.unsubscribe(token, "198.51.100.7")
            assert await links.unsubscribe(token, "198.51.100.7")
            assert not await links.unsubscribe("u-x", "198.51.100.7")
            assert here.states(ours.id) == ["delivered", "unsubscribed"]
            (stopped,) = here.shop.store.suppressions(limit=9)
            assert (stopped.address, stopped.lane) == ("eve@example.com", "bulk")
            assert [links.is_hasty(token) for _ in range(4)] == [False] * 3 + [True]
            assert not links.is_hasty("u-x"), "what is made up costs nothing"

    asyncio.run(story())
