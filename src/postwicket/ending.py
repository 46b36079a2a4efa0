"""The end of a worker: how it is asked to end, and what still finishes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import Final

from postwicket.delivery.dispatcher import Dispatcher
from postwicket.submission.counter import Counter

DRAIN: Final = 30.0  # seconds that what is under way gets to finish


class Ending:
    """How this worker is asked to end.

    SIGTERM, or the supervisor's death, asks to drain: no new mail, what is under way finishes.
    SIGUSR1 asks to retire: no new clients, but those that are here may stay.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, control: int) -> None:
        self.asked_for = asyncio.Event()
        self.drain = asyncio.Event()
        self.retire = False
        self._loop = loop
        self._control = control
        loop.add_signal_handler(signal.SIGTERM, self._on_drain)
        loop.add_signal_handler(signal.SIGUSR1, self._on_retire)
        for ignored in (signal.SIGINT, signal.SIGHUP):  # the supervisor's business
            signal.signal(ignored, signal.SIG_IGN)
        loop.add_reader(control, self._on_control)

    def _on_drain(self) -> None:
        self.drain.set()
        self.asked_for.set()

    def _on_retire(self) -> None:
        self.retire = True
        self.asked_for.set()

    def _on_control(self) -> None:
        if not os.read(self._control, 64):
            self._loop.remove_reader(self._control)
            self._on_drain()


async def retire(
    servers: list[asyncio.Server],
    counter: Counter,
    dispatcher: Dispatcher,
    ending: Ending,
    patience: float,
) -> None:
    """Take no new clients and no new deliveries; wait until those that are here have gone."""
    for server in servers:
        server.close()
    # Mail that is handed in from now on is stored for the workers that come after.
    await dispatcher.drain(time.time() + DRAIN)
    until = [asyncio.ensure_future(counter.emptied()), asyncio.ensure_future(ending.drain.wait())]
    await asyncio.wait(until, timeout=2 * patience, return_when=asyncio.FIRST_COMPLETED)
    for waiting in until:
        waiting.cancel()


async def drain(servers: list[asyncio.Server], counter: Counter, dispatcher: Dispatcher) -> None:
    """Refuse new mail with 421, and let what is under way finish."""
    deadline = time.monotonic() + DRAIN
    counter.drain()
    await dispatcher.drain(time.time() + DRAIN)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(counter.emptied(), max(0.0, deadline - time.monotonic()))
    for server in servers:
        server.close()
    counter.abandon()
