"""How many attempts are under way in this process, and who waits because they are too many.

Those who were turned away come back in the order in which they came, when an attempt has ended:
no place that takes mail is forgotten, and none is asked in vain.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Comer(Protocol):
    """Who begins attempts (a pool)."""

    def turn(self) -> None:
        """Begin what can begin now."""
        ...


class Turnstile:
    """At most so many attempts at once."""

    def __init__(self, most: int) -> None:
        self.inside = 0
        self._most = most
        self._waiting: dict[Comer, None] = {}  # a set that keeps its order
        self._loop = asyncio.get_running_loop()
        self._calling = False

    def open(self, comer: Comer) -> bool:
        """Say whether one more may begin; who hears no is called when there is room."""
        if self.inside < self._most:
            return True
        self._waiting[comer] = None
        return False

    def enter(self) -> None:
        """Count an attempt that begins."""
        self.inside += 1

    def leave(self) -> None:
        """Count an attempt that has ended, and call who waits."""
        self.inside -= 1
        if self._waiting and not self._calling:
            self._calling = True
            self._loop.call_soon(self._call)

    def _call(self) -> None:
        self._calling = False
        waiting, self._waiting = self._waiting, {}
        for comer in waiting:
            if self.inside < self._most:
                comer.turn()
            else:
                self._waiting[comer] = None
