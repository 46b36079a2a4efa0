"""One search for many who want to know the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """What is being looked for, by key.

    Who no longer wants to know is cancelled alone; the search goes on for the others, and ends
    by itself: whoever starts one gives it a deadline.
    """

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    async def join(self, key: K, search: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return what the search for `key` finds; start it unless it is under way."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(search())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return await asyncio.shield(task)

    def cancel(self) -> None:
        """Give up everything that is under way."""
        for task in list(self._tasks.values()):
            task.cancel()
