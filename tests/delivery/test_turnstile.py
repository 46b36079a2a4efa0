"""Who was turned away comes back in order, and only when there is room."""

from __future__ import annotations

import asyncio

import pytest

from postwicket.delivery import turnstile as module
from postwicket.delivery.turnstile import Turnstile

from .world import run


class Comer:
    """Begins one attempt at each turn, if it may."""

    def __init__(self, turnstile: Turnstile, log: list[str], name: str) -> None:
        self.turnstile, self.log, self.name = turnstile, log, name

    def turn(self) -> None:
        """Begin one attempt, if it may."""
        if self.turnstile.open(self):
            self.turnstile.enter(self.name)
            self.log.append(self.name)


def test_first_come_first_served() -> None:
    async def test() -> None:
        turnstile, log = Turnstile(2), list[str]()
        comers = [Comer(turnstile, log, name) for name in "abcde"]
        for comer in comers:
            comer.turn()
        assert log == ["a", "b"]
        comers[2].turn()  # asking again changes nothing
        turnstile.leave("a")
        turnstile.leave("b")
        await asyncio.sleep(0)
        assert log == ["a", "b", "c", "d"]
        turnstile.leave("c")
        await asyncio.sleep(0)
        assert log == ["a", "b", "c", "d", "e"]
        assert turnstile.inside == 2

    run(test())


def test_those_that_take_long_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_AFTER", 0.05)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.02)

    async def test() -> None:
        turnstile, log = Turnstile(2), list[str]()
        for name in "abcd":
            Comer(turnstile, log, name).turn()
        assert log == ["a", "b"]
        await asyncio.sleep(0.15)
        assert log == ["a", "b", "c", "d"]
        assert turnstile.inside <= 2
        for name in "abcd":
            turnstile.leave(name)
        assert (turnstile.inside, len(turnstile._slow)) == (0, 0)

    run(test())


def test_there_is_an_end_to_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_AFTER", 0.0)
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)

    async def test() -> None:
        turnstile, log = Turnstile(2), list[str]()
        for n in range(50):
            Comer(turnstile, log, str(n)).turn()
        await asyncio.sleep(0.1)
        assert len(log) == 2 + 2 * module.MOST_SLOW

    run(test())
