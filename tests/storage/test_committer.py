"""The committer: a batch is kept or refused whole, a bad unit fails alone, all are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from postwicket.core.entry import Entry
from postwicket.core.state import State
from postwicket.storage import committer
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.opening import open_queue, open_store
from postwicket.storage.sqlite_queue import SqliteQueue
from postwicket.storage.values import SmallBody, StoredBody

from . import making
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
        assert failed.entry is not None
        queue.record(failed.entry)
        await queue.close()
        assert heard == [made.entry, failed.entry, notice.entry, failed.entry]
        with pytest.raises(StorageUnavailable):
            await queue.accept(new())

    asyncio.run(test())


def told(tmp_path: Path) -> list[float]:
    """Return when the entries in the journal happened, in order."""
    store = open_store(tmp_path)
    times = [each.at for each in store.journal(kind=None, since=0, limit=99)]
    store.close()
    return sorted(times)


def test_what_nobody_waits_for_comes_along_with_the_next(tmp_path: Path) -> None:
    async def test() -> None:
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        for at in (NOW + 0.1234567, NOW + 0.7654321):
            queue.record(new(at=at).entry)
        await asyncio.sleep(0.05)
        assert told(tmp_path) == []
        await queue.accept(new(at=NOW + 1))
        assert told(tmp_path) == [NOW + 0.1234567, NOW + 0.7654321, NOW + 1]
        await queue.close()

    asyncio.run(test())


def test_what_nobody_waits_for_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        monkeypatch.setattr(committer, "LOOSE_FOR", 0.01)
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        queue.record(new(at=NOW).entry)
        for _ in range(200):
            if told(tmp_path):
                break
            await asyncio.sleep(0.01)
        assert told(tmp_path) == [NOW]
        monkeypatch.setattr(committer, "LOOSE_FOR", 600)
        monkeypatch.setattr(committer, "MOST_LOOSE", 2)
        queue.record(new(at=NOW + 1).entry)
        queue.record(new(at=NOW + 2).entry)
        for _ in range(200):
            if len(told(tmp_path)) == 3:
                break
            await asyncio.sleep(0.01)
        assert len(told(tmp_path)) == 3
        queue.record(new(at=NOW + 3).entry)
        await queue.close()

    asyncio.run(test())
    assert len(told(tmp_path)) == 4


def test_a_stale_settlement_fails_alone_and_files_go_with_the_last(tmp_path: Path) -> None:
    gone: list[str] = []

    async def test() -> None:
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        queue._committer._released = gone.append
        one, two = (new(slot=1, body=StoredBody(f"{n}", 99_999)) for n in "ab")
        both = new(making.BOB, making.EVE, slot=1, body=StoredBody("c", 99_999))
        await asyncio.gather(*[queue.accept(each) for each in (one, two, both)])
        await queue.settle([settled(born(one), State.DELIVERED)])
        results = await asyncio.gather(
            queue.settle([settled(born(both), State.DELIVERED)]),
            queue.settle([settled(born(one), State.FAILED), settled(born(two), State.FAILED)]),
            queue.accept(new()),
        )
        assert list(results) == [1, 1, None]
        await queue.settle([settled(born(both, 2), State.DELIVERED)])
        await queue.close()

    asyncio.run(test())
    assert gone == ["a", "b", "c"]
