"""The committer: a batch is kept or refused whole, a bad unit fails alone, all are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from postwicket.core.entry import Entry
from postwicket.core.state import State
from postwicket.storage.interfaces import SmallBody, StorageUnavailable
from postwicket.storage.opening import open_queue, open_store
from postwicket.storage.sqlite_queue import SqliteQueue

from .making import NOW, born, charge, new, settled


def full(queue: SqliteQueue) -> None:
    """Let the database grow no further; what it holds already can be changed."""
    connection = queue._committer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    async def test() -> None:
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        kept = new(slot=1)
        await queue.accept(kept)
        full(queue)
        body = SmallBody(b"x" * 60_000)
        futures = [queue.accept(new(body=body, charge=charge(messages=99))) for _ in range(5)]
        for future in futures:
            with pytest.raises(StorageUnavailable, match="full"):
                await future
        assert queue.usage(1, now=NOW) == (0, 0)
        assert await queue.settle([settled(born(kept), State.DELIVERED)]) == 1
        queue._committer._connection.execute("PRAGMA max_page_count = 1000000")
        assert await queue.accept(new(body=body, charge=charge())) is None
        await queue.close()

    asyncio.run(test())
    store = open_store(tmp_path)
    assert sum(store.counts().values()) == 2
    assert len(store.journal(kind="accepted", since=0, limit=99)) == 2
    store.close()


def test_one_bad_unit_fails_alone(tmp_path: Path) -> None:
    async def test() -> None:
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        bad = new(subject=object())
        unwritable = new(message_id=7)
        futures = [queue.accept(each) for each in (new(), bad, unwritable, new())]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert [results[0], results[3]] == [None, None]
        assert isinstance(results[1], StorageUnavailable)
        assert isinstance(results[2], AttributeError)
        await queue.close()

    asyncio.run(test())


def test_the_hook_hears_what_was_committed(tmp_path: Path) -> None:
    heard: list[Entry] = []

    def committed(entries: Sequence[Entry]) -> None:
        heard.extend(entries)

    async def test() -> None:
        queue = open_queue(tmp_path, asyncio.get_running_loop(), committed=committed)
        made, notice = new(slot=1, charge=charge(messages=1)), new()
        refused = new(charge=charge(messages=1))
        failed = settled(born(made), State.FAILED)
        await asyncio.gather(queue.accept(made), queue.accept(refused))
        await queue.settle([failed], [notice])
        await queue.settle([failed])
        queue.record(failed.entry)
        await queue.close()
        assert heard == [made.entry, failed.entry, notice.entry, failed.entry]
        with pytest.raises(StorageUnavailable):
            await queue.accept(new())

    asyncio.run(test())
