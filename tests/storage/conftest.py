"""Every keeper of the contract, opened for one test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postwicket.storage.bodies import BodyStore
from postwicket.storage.interfaces import Queue, Store
from postwicket.storage.memory import Memory, MemoryQueue
from postwicket.storage.memory_store import MemoryStore
from postwicket.storage.opening import open_queue, open_store


@dataclass
class Kept:
    """One store, and the queue on the same data, which lives while `run` runs."""

    store: Store
    bodies: BodyStore
    open: Callable[[asyncio.AbstractEventLoop], Queue]

    def run(self, test: Callable[[Queue], Coroutine[Any, Any, None]]) -> None:
        """Run a test on the queue, then close it."""

        async def whole() -> None:
            queue = self.open(asyncio.get_running_loop())
            try:
                await test(queue)
            finally:
                await queue.close()

        asyncio.run(whole())


def in_memory(data: Path) -> Kept:
    """Return the reference."""
    memory = Memory(BodyStore(data / "bodies"))
    store = MemoryStore(memory)
    return Kept(store, memory.bodies, lambda loop: MemoryQueue(memory, loop))


def in_sqlite(data: Path) -> Kept:
    """Return the embedded default."""
    store = open_store(data)
    return Kept(store, store.bodies, lambda loop: open_queue(data, loop))


KEEPERS: dict[str, Callable[[Path], Kept]] = {"memory": in_memory, "sqlite": in_sqlite}


@pytest.fixture(params=KEEPERS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Open each keeper in its turn."""
    found = KEEPERS[request.param](tmp_path)
    yield found
    found.store.close()
