"""The reference is checked by the contract; here, that a list and its memory are one."""

from __future__ import annotations

from pathlib import Path

from postwicket.storage.bodies import BodyStore
from postwicket.storage.memory import Memory
from postwicket.storage.memory_store import MemoryStore
from postwicket.storage.values import Suppression


def test_two_stores_on_one_memory_see_the_same(tmp_path: Path) -> None:
    memory = Memory(BodyStore(tmp_path))
    first, second = MemoryStore(memory), MemoryStore(memory)
    first.suppress(Suppression(address="bob@example.com", created=1.0))
    assert [one.address for one in second.suppressions(limit=9)] == ["bob@example.com"]
