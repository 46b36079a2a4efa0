"""SQLite only: several processes, sudden death, a full disk, batches with one bad unit."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postwicket.core.queue_id import read
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.opening import open_store
from postwicket.storage.values import Selection

from .making import NOW

ROOT = Path(__file__).parents[2]

CHARGING = """
import asyncio, sys
from pathlib import Path
from postwicket.core.queue_id import QueueIds
from postwicket.storage.opening import open_queue
from tests.storage import making

making._MAKERS.default_factory = lambda: QueueIds(int(sys.argv[2]))

async def main():
    queue = open_queue(Path(sys.argv[1]), asyncio.get_running_loop())
    kept = 0
    for _ in range(15):
        made = [making.new(charge=making.charge(messages=100, day=1000)) for _ in range(10)]
        results = await asyncio.gather(*[queue.accept(each) for each in made])
        kept += results.count(None)
    await queue.close()
    print(kept)

asyncio.run(main())
"""

ACCEPTING = """
import asyncio, sys
from pathlib import Path
from postwicket.core.queue_id import spell
from postwicket.storage.opening import open_queue
from tests.storage import making

async def main():
    queue = open_queue(Path(sys.argv[1]), asyncio.get_running_loop())
    while True:
        made = [making.new(slot=1) for _ in range(5)]
        await asyncio.gather(*[queue.accept(each) for each in made])
        print(*[spell(each.message.id) for each in made], flush=True)

asyncio.run(main())
"""


def start(code: str, data: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(data), *more],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )


def test_a_limit_is_exact_among_processes(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    running = [start(CHARGING, tmp_path, str(slot)) for slot in (11, 12)]
    kept = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(kept) == 100
    store = open_store(tmp_path)
    assert len(store.rows(Selection(), limit=1000)) == 100
    assert len(store.journal(kind="accepted", since=0, limit=1000)) == 100
    store.close()


def test_what_was_acknowledged_survives_a_sudden_death(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for _ in range(2):
        process = start(ACCEPTING, tmp_path)
        assert process.stdout is not None
        acknowledged += process.stdout.readline().split()
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split("\n")
        acknowledged += [word for line in rest[:-1] for word in line.split()]
    store = open_store(tmp_path)
    kept = {row.message for row in store.rows(Selection(), limit=100_000)}
    assert len(acknowledged) >= 10
    assert set(acknowledged) <= kept
    store.tidy(now=NOW, released_slots=[1])
    assert not any(row.sending for row in store.rows(Selection(), limit=100_000))
    assert store.life(read(acknowledged[0])) is not None
    store.close()


def test_accounts_are_seen_by_every_process_at_once(tmp_path: Path) -> None:
    here, there = open_store(tmp_path), open_store(tmp_path)
    before = there.generation()
    assert there.account("a@example.org") is None
    here.add_account("a@example.org", name="", password_hash="", now=NOW)
    assert there.generation() != before
    assert there.account("a@example.org") is not None
    here.change_account("a@example.org", suspended=True)
    found = there.account("a@example.org")
    assert found is not None
    assert found.suspended
    here.close()
    there.close()


def test_the_last_use_is_not_lost_at_the_end(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add_account("a@example.org", name="", password_hash="", now=NOW)
    made = store.add_app_password("a@example.org", label="", fingerprint=b"", now=NOW)
    store.used_app_password(made.id, now=NOW, peer="::1")
    store.close()
    again = open_store(tmp_path)
    assert again.app_passwords("a@example.org")[0].last_peer == "::1"
    again.close()


def test_a_broken_database_is_said_to_be_unavailable(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with sqlite3.connect(tmp_path / "postwicket.db") as connection:
        connection.execute("DROP TABLE account")
    connection.close()
    with pytest.raises(StorageUnavailable):
        store.accounts()
    store.close()
