"""200,000 deferred deliveries: nobody who opens, lists, accepts or claims has to wait for them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from postwicket.core.queue_id import QueueIds
from postwicket.core.state import State
from postwicket.storage.database import FILE
from postwicket.storage.migrate import migrate
from postwicket.storage.opening import open_queue, open_store
from postwicket.storage.values import Selection

from .making import NOW, new, settled

COUNT = 200_000
A_SECOND = 1.0

FILL = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1)
INSERT INTO message (id, account, sender, body_type, smtputf8, ret, envid, size, received,
                     expires, message_id, subject, lane, header)
SELECT :first + i, 'ann@example.org', 'ann@example.org', '7BIT', 0, '', '', 64, :now - 9000,
       :now + 400000, '', '', CASE WHEN i % 4 THEN 'bulk' ELSE 'transactional' END, x'' FROM n;
"""
DELIVERIES = """
INSERT INTO delivery (message, number, recipient, notify, orcpt, state, attempts, due, warned,
                      route, cause, reply, urgency, site, why)
SELECT id, 1, 'u' || id || '@d' || (id % 5000) || '.example', '', '', 'deferred', 1,
       :now + :due + id % 4096, 0, 'route' || (id % 4), 'rate', '450 4.2.1 later',
       CASE lane WHEN 'bulk' THEN 30 ELSE 10 END - id % 3, 'site' || (id % 200), 'waits for a slot'
  FROM message;
"""


def fill(data: Path, *, due: float) -> None:
    """Put the queue there as hours without a way out leave it; `due` is the first, from NOW."""
    migrate(data / FILE)
    with closing(sqlite3.connect(data / FILE)) as database, database:
        database.execute("PRAGMA synchronous = OFF")
        first = QueueIds(1).next(NOW - 9000)
        database.execute(FILL, {"count": COUNT, "first": first, "now": NOW})
        database.execute(DELIVERIES, {"now": NOW, "due": due})


@contextmanager
def within_a_second(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < A_SECOND, what


@pytest.fixture(scope="module")
def deferred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which everything is due in an hour."""
    data = tmp_path_factory.mktemp("deferred")
    fill(data, due=3600)
    return data


def test_it_is_opened_and_listed_within_a_second(deferred: Path) -> None:
    with within_a_second("opening"):
        store = open_store(deferred)
    with closing(store):
        with within_a_second("the first page of the queue"):
            rows = store.rows(Selection(), limit=50)
        assert (len(rows), rows[0].why) == (50, "waits for a slot")
        with within_a_second("how many there are"):
            assert store.counts()[State.DEFERRED] == COUNT


def test_a_new_message_passes_it_within_a_second(deferred: Path) -> None:
    async def pass_by() -> None:
        with within_a_second("opening, accepting, claiming and settling"):
            queue = open_queue(deferred, asyncio.get_running_loop())
            assert await queue.accept(new()) is None
            (claimed,) = await queue.claim(1, now=NOW, lease_until=NOW + 60, limit=1000)
            assert await queue.settle([settled(claimed.deliveries[0], State.DELIVERED)]) == 1
            assert queue.next_due() is not None
        await queue.close()

    asyncio.run(pass_by())


def test_it_is_claimed_in_portions_when_all_of_it_is_due(deferred: Path) -> None:
    later = NOW + 20_000

    async def work() -> None:
        queue = open_queue(deferred, asyncio.get_running_loop())
        urgent = new(at=later)
        await queue.accept(urgent)
        with within_a_second("a full window beside everything that is due"):
            claimed = await queue.claim(1, now=later, lease_until=later + 60, limit=1000)
        held = [one for each in claimed for one in each.deliveries]
        lanes = [each.message.lane for each in claimed]
        assert (len(held), lanes.count("bulk")) == (1000, 250)
        with within_a_second("giving them back"):
            await queue.give_back(1, held)
        with within_a_second("claims that somebody holds"):
            for slot in range(2, 6):
                await queue.claim(slot, now=later, lease_until=later + 60, limit=1000)
        with within_a_second("what is due next"):
            assert queue.next_due() is not None
        await queue.close()

    asyncio.run(work())


def test_mail_comes_in_while_all_of_it_is_moved(deferred: Path) -> None:
    part = Selection(route="route1")

    async def work() -> None:
        queue = open_queue(deferred, asyncio.get_running_loop())
        with closing(open_store(deferred)) as store:
            moving = asyncio.create_task(asyncio.to_thread(store.hold, part, now=NOW))
            accepted = 0
            while not moving.done():
                with within_a_second("accepting while the queue is held"):
                    assert await queue.accept(new()) is None
                accepted += 1
                await asyncio.sleep(0.02)
            # Up to five thousand are claimed by the test before.
            assert COUNT / 4 - 5000 <= await moving <= COUNT / 4
            assert accepted > 2
        await queue.close()

    asyncio.run(work())
