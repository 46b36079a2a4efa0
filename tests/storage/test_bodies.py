"""The body store: what goes in comes out, whatever the pieces; files are synced and named."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.storage.bodies import (
    IN_MEMORY,
    PIECE,
    BodyStore,
    FileContent,
    SmallContent,
    Spool,
)
from postwicket.storage.interfaces import Conflict, StorageUnavailable
from postwicket.storage.values import SmallBody, StoredBody

IDS = QueueIds(3)


@pytest.fixture
def bodies(tmp_path: Path) -> BodyStore:
    return BodyStore(tmp_path / "bodies")


def files(bodies: BodyStore) -> list[Path]:
    return [path for path in bodies.folder.rglob("*") if path.is_file()]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 150_000), max_size=6),
    flushes=st.lists(st.booleans(), min_size=6, max_size=6),
    header=st.binary(max_size=40),
)
def test_any_pieces_come_out_whole(
    bodies: BodyStore, sizes: list[int], flushes: list[bool], header: bytes
) -> None:
    spool, sent = bodies.spool(), b""
    for number, (size, early) in enumerate(zip(sizes, flushes, strict=False)):
        piece = bytes([65 + number]) * size
        sent += piece
        due = spool.append(piece)
        if due or (early and len(sent) > IN_MEMORY):
            spool.flush()
    assert spool.size == len(sent)
    body = spool.finish(IDS.next(1_800_000_000))
    assert body.size == len(sent)
    assert isinstance(body, SmallBody) == (len(sent) <= IN_MEMORY)
    if isinstance(body, StoredBody):
        content: FileContent | SmallContent = FileContent(
            header, bodies.path(body.name), body.size
        )
    else:
        content = SmallContent(header, body.data)
    pieces = list(content.pieces())
    assert b"".join(pieces) == header + sent
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert content.size == len(header) + len(sent)
    spool.discard()
    assert files(bodies) == []


def test_a_flush_is_due_at_a_quarter_of_a_mebibyte(bodies: BodyStore) -> None:
    spool = bodies.spool()
    assert not spool.append(b"x" * (PIECE - 1))
    assert spool.append(b"x")
    assert not spool.in_memory
    spool.flush()
    assert not spool.append(b"x")
    spool.discard()
    spool.discard()
    spool.append(b"x" * PIECE)
    spool.flush()
    with pytest.raises(StorageUnavailable):
        spool.finish(QueueId(1))
    assert files(bodies) == []


def test_bytes_that_arrive_during_a_flush_are_kept_in_order(bodies: BodyStore) -> None:
    spool = bodies.spool()
    sent = b""
    running: threading.Thread | None = None
    for number in range(200):
        piece = bytes([number]) * 20_000
        sent += piece
        if spool.append(piece) and (running is None or not running.is_alive()):
            running = threading.Thread(target=spool.flush)
            running.start()
    assert running is not None
    running.join()
    body = spool.finish(IDS.next(1_800_000_000))
    assert isinstance(body, StoredBody)
    assert bodies.path(body.name).read_bytes() == sent


def test_ids_are_spread_over_the_folders(bodies: BodyStore) -> None:
    for step in range(64):
        spool = bodies.spool()
        spool.append(b"x" * (IN_MEMORY + 1))
        spool.finish(IDS.next(1_800_000_000 + step / 1000))
    assert len({path.parent for path in files(bodies)}) > 48
    assert all(path.stat().st_mode & 0o077 == 0 for path in files(bodies))


def test_a_disk_that_fails_is_said_so(bodies: BodyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    spool = bodies.spool()
    spool.append(b"x" * (IN_MEMORY + 1))
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageUnavailable, match="No space left"):
        spool.finish(QueueId(1))
    spool.discard()
    assert files(bodies) == []


def test_a_file_that_is_gone_is_a_conflict(bodies: BodyStore) -> None:
    with pytest.raises(Conflict):
        list(FileContent(b"", bodies.path("00/none"), 1).pieces())


def test_a_spool_that_was_never_finished_leaves_nothing(bodies: BodyStore) -> None:
    spools: list[Spool] = [bodies.spool() for _ in range(3)]
    for spool in spools:
        spool.append(b"x" * PIECE)
        spool.flush()
    assert len(files(bodies)) == 3
    for spool in spools:
        spool.discard()
    assert files(bodies) == []
