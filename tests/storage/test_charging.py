"""Charging by statement and charging by looking first agree, within one batch too."""

from __future__ import annotations

import asyncio
from pathlib import Path

from postwicket.storage.opening import open_queue
from postwicket.storage.usage import STAY

from .making import NOW, charge, new


def test_charges_in_one_batch_are_judged_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        later, day = NOW + 120, NOW + (STAY + 3) * 60
        made = [new(at=at, charge=charge(messages=3)) for at in (later, NOW, later, later, later)]
        results = await asyncio.gather(*[queue.accept(each) for each in made])
        assert [result is None for result in results] == [True, True, True, False, False]
        assert queue.usage(1, now=later) == (3, 3)
        assert await queue.accept(new(at=day, charge=charge(messages=3))) is None
        assert queue.usage(1, now=day) == (1, 1)
        await queue.close()

    asyncio.run(test())
