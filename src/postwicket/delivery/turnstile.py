"""How many attempts are under way in this process, and who waits because they are too many.

Those who were turned away come back in the order in which they came, when an attempt has ended:
no place that takes mail is forgotten, and none is asked in vain.

The limit is there for the work that attempts make.  One that takes long makes none, it only holds
a connection; it is counted apart after a while, so that servers that answer slowly, or on purpose
as slowly as they may, keep nobody else from sending.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Final, Protocol

SLOW_AFTER: Final = 10.0  # seconds
MOST_SLOW: Final = 9  # times as many as may be under way: a socket and some buffers each
LOOK_EVERY: Final = 1.0  # seconds, while somebody waits


class Comer(Protocol):
    """Who begins attempts (a pool)."""

    def turn(self) -> None:
        """Begin what can begin now."""
        ...


class Turnstile:
    """At most so many attempts at once, and some that take long beside them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: dict[Hashable, float] = {}  # since when (loop time), the oldest first
        self._slow: set[Hashable] = set()
        self._waiting: dict[Comer, None] = {}  # a set that keeps its order
        self._loop = asyncio.get_running_loop()
        self._calling = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def inside(self) -> int:
        """How many attempts count."""
        return len(self._inside)

    def open(self, comer: Comer) -> bool:
        """Say whether one more may begin; who hears no is called when there is room."""
        if len(self._inside) < self._most or self._set_apart():
            return True
        self._waiting[comer] = None
        self._look_later()
        return False

    def enter(self, attempt: Hashable) -> None:
        """Count an attempt that begins."""
        self._inside[attempt] = self._loop.time()

    def leave(self, attempt: Hashable) -> None:
        """Count an attempt that has ended, and call who waits."""
        if self._inside.pop(attempt, None) is None:
            self._slow.discard(attempt)
        if self._waiting and not self._calling:
            self._calling = True
            self._loop.call_soon(self._call)

    def _set_apart(self) -> bool:
        """Count those apart that take long; return whether that made room."""
        limit = self._loop.time() - SLOW_AFTER
        while len(self._slow) < MOST_SLOW * self._most:
            oldest = next(iter(self._inside), None)
            if oldest is None or self._inside[oldest] > limit:
                break
            del self._inside[oldest]
            self._slow.add(oldest)
        return len(self._inside) < self._most

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        if self._set_apart():
            self._call()
        if self._waiting:
            self._look_later()

    def _call(self) -> None:
        self._calling = False
        waiting, self._waiting = self._waiting, {}
        for comer in waiting:
            if len(self._inside) < self._most:
                comer.turn()
            else:
                self._waiting[comer] = None
