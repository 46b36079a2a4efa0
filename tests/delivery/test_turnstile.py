"""Who was turned away comes back in order, and only when there is room."""

from __future__ import annotations

import asyncio

from postwicket.delivery.turnstile import Turnstile

from .world import run


class Comer:
    """Begins one attempt at each turn, if it may."""

    def __init__(self, turnstile: Turnstile, log: list[str], name: str) -> None:
        self.turnstile, self.log, self.name = turnstile, log, name

    def turn(self) -> None:
        """Begin one attempt, if it may."""
        if self.turnstile.open(self):
            self.turnstile.enter()
            self.log.append(self.name)


def test_first_come_first_served() -> None:
    async def test() -> None:
        turnstile, log = Turnstile(2), list[str]()
        comers = [Comer(turnstile, log, name) for name in "abcde"]
        for comer in comers:
            comer.turn()
        assert log == ["a", "b"]
        comers[2].turn()  # asking again changes nothing
        turnstile.leave()
        turnstile.leave()
        await asyncio.sleep(0)
        assert log == ["a", "b", "c", "d"]
        turnstile.leave()
        await asyncio.sleep(0)
        assert log == ["a", "b", "c", "d", "e"]
        assert turnstile.inside == 2

    run(test())
