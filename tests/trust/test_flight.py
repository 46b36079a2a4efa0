"""One search for many."""

from __future__ import annotations

import asyncio

import pytest

from postwicket.trust.flight import Flights


def test_many_join_one_search_and_the_next_starts_anew() -> None:
    async def run() -> None:
        flights = Flights[str, int]()
        begun: list[str] = []

        async def search() -> int:
            begun.append("search")
            await asyncio.sleep(0.01)
            return len(begun)

        assert await asyncio.gather(*(flights.join("a", search) for _ in range(9))) == [1] * 9
        assert await flights.join("a", search) == 2
        both = await asyncio.gather(flights.join("a", search), flights.join("b", search))
        assert list(both) == [4, 4]

    asyncio.run(run())


def test_a_failed_search_fails_for_all_and_is_not_kept() -> None:
    async def run() -> None:
        flights = Flights[str, int]()

        async def fail() -> int:
            raise OSError("no")

        async def succeed() -> int:
            return 1

        results = await asyncio.gather(
            *(flights.join("a", fail) for _ in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [OSError] * 3
        assert await flights.join("a", succeed) == 1

    asyncio.run(run())


def test_who_leaves_leaves_the_search_to_the_others_and_all_can_be_given_up() -> None:
    async def run() -> None:
        flights = Flights[str, int]()
        gate = asyncio.Event()

        async def search() -> int:
            await gate.wait()
            return 7

        first = asyncio.create_task(flights.join("a", search))
        second = asyncio.create_task(flights.join("a", search))
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert await second == 7
        assert first.cancelled()
        gate.clear()
        third = asyncio.create_task(flights.join("a", search))
        await asyncio.sleep(0)
        flights.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third

    asyncio.run(run())
