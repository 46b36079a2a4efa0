"""Putting outcomes on stable storage, for as long as it takes.

A message that was delivered and could not be written down must not be sent again, so a
settlement that fails is tried again until it is stored; meanwhile its delivery stays claimed and
counts against the dispatcher's window, which bounds the memory that this takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from postwicket.core.entry import Notified
from postwicket.storage.interfaces import Queue, StorageUnavailable
from postwicket.storage.values import NewMessage, Settlement

FIRST_PAUSE: Final = 0.5  # seconds, doubled each time
LONGEST_PAUSE: Final = 10.0


class Settling:
    """The settlements of one process that are on their way to the database."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._loop = asyncio.get_running_loop()

    def settle(
        self,
        settlements: Sequence[Settlement],
        notices: Sequence[tuple[NewMessage, Notified]],
        done: Callable[[], None],
    ) -> None:
        """Store them in one transaction; `done` is called once they are on stable storage."""
        self._try(settlements, notices, done, FIRST_PAUSE)

    def _try(
        self,
        settlements: Sequence[Settlement],
        notices: Sequence[tuple[NewMessage, Notified]],
        done: Callable[[], None],
        pause: float,
    ) -> None:
        def again() -> None:
            longer = min(pause * 2, LONGEST_PAUSE)
            self._loop.call_later(pause, self._try, settlements, notices, done, longer)

        def settled(future: asyncio.Future[int]) -> None:
            if future.cancelled():
                return  # the loop is closing; the claim ends with this process
            error = future.exception()
            if error is None:
                if notices and future.result():
                    for _, entry in notices:
                        self._queue.record(entry)
                done()
                return
            if not isinstance(error, StorageUnavailable):
                # A fault of ours; the delivery must not be sent again because of it.
                self._loop.call_exception_handler(
                    {"message": "an outcome could not be stored", "exception": error}
                )
            again()

        try:
            future = self._queue.settle(settlements, [new for new, _ in notices])
        except StorageUnavailable:
            again()
            return
        future.add_done_callback(settled)
