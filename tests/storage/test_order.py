"""The contract of urgency: what is claimed first, and why something waits."""

from __future__ import annotations

from dataclasses import replace

from postwicket.core.envelope import Demands
from postwicket.core.queue_id import spell
from postwicket.core.state import State
from postwicket.storage.interfaces import Queue
from postwicket.storage.values import Claimed, NewMessage, Selection

from .conftest import Kept
from .making import BOB, EVE, NOW, TRIED, born, new, settled


def priority(value: int, *, lane: str = "transactional", at: float = NOW) -> NewMessage:
    return new(lane=lane, at=at, demands=Demands(priority=value))


async def claimed(queue: Queue, limit: int, slot: int = 1, now: float = NOW) -> list[Claimed]:
    return await queue.claim(slot, now=now, lease_until=now + 60, limit=limit)


def test_the_more_urgent_are_claimed_first_and_the_longest_due_of_them(kept: Kept) -> None:
    low, late, early = priority(-3, at=NOW - 9), priority(0, at=NOW - 5), priority(0, at=NOW - 7)
    high, news = priority(4), priority(9, lane="bulk", at=NOW - 99)
    asked = priority(-9, lane="bulk", at=NOW - 99)

    async def test(queue: Queue) -> None:
        for made in (low, news, asked, late, early, high):
            await queue.accept(made)
        wanted = [high, early, late, low, news, asked]
        assert [one.message for one in await claimed(queue, 9)] == [one.message for one in wanted]

    kept.run(test)


def test_bulk_has_a_quarter_of_each_claim_and_all_the_room_that_is_left(kept: Kept) -> None:
    async def test(queue: Queue) -> None:
        for _ in range(10):
            await queue.accept(new())
        for _ in range(6):
            await queue.accept(new(lane="bulk"))
        lanes = [[one.message.lane for one in await claimed(queue, 8)] for _ in range(3)]
        assert lanes[0] == ["transactional"] * 6 + ["bulk"] * 2
        assert lanes[1] == ["transactional"] * 4 + ["bulk"] * 4
        assert lanes[2] == []

    kept.run(test)


def test_ended_claims_keep_their_place(kept: Kept) -> None:
    high, news = priority(4), new(lane="bulk", at=NOW - 99)

    async def test(queue: Queue) -> None:
        for made in (new(), high, news):
            await queue.accept(made)
        assert len(await claimed(queue, 9, slot=3)) == 3
        assert queue.next_due() == NOW + 60
        assert await claimed(queue, 9, slot=4, now=NOW + 59) == []
        again = await claimed(queue, 9, slot=4, now=NOW + 60)
        assert (again[0].message, again[2].message) == (high.message, news.message)

    kept.run(test)


def test_the_next_due_is_the_earliest_of_any_urgency(kept: Kept) -> None:
    async def test(queue: Queue) -> None:
        assert queue.next_due() is None
        await queue.accept(priority(9, at=NOW + 50))
        await queue.accept(new(lane="bulk", at=NOW + 30))
        assert queue.next_due() == NOW + 30
        await queue.accept(new(slot=2, at=NOW - 290))
        assert queue.next_due() == NOW + 10

    kept.run(test)


def test_what_is_scheduled_is_born_due_later(kept: Kept) -> None:
    later = replace(new(), not_before=NOW + 500)

    async def test(queue: Queue) -> None:
        await queue.accept(later)
        assert queue.next_due() == NOW + 500
        assert await claimed(queue, 9, now=NOW + 499) == []
        (row,) = kept.store.rows(Selection(), limit=9)
        assert (row.state, row.next_attempt) == (State.QUEUED, NOW + 500)
        (found,) = await claimed(queue, 9, now=NOW + 500)
        assert found.message == later.message

    kept.run(test)


def test_demands_are_kept_with_the_message(kept: Kept) -> None:
    demands = Demands(
        require_tls=True, deliver_by=NOW + 5, by_mode="R", by_trace=True, priority=-2
    )
    made, usual = new(demands=demands), new()

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        await queue.accept(usual)
        assert queue.message(made.message.id) == made.message
        assert {one.message.demands for one in await claimed(queue, 9)} == {demands, Demands()}

    kept.run(test)


def test_why_it_waits_is_told_until_it_waits_no_more(kept: Kept) -> None:
    made = new(BOB, EVE, slot=1, lane="bulk", demands=Demands(priority=3))
    why = "site google: 20 connections are busy"

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        waits = [
            settled(born(made, one), State.DEFERRED, due=NOW + 9, tried=None, site=site, why=why)
            for one, site in ((1, "google"), (2, "yahoo"))
        ]
        assert await queue.settle(waits) == 2
        (row,) = kept.store.rows(Selection(site="Google"), limit=9)
        assert (row.site, row.why, row.lane, row.priority) == ("google", why, "bulk", 3)
        life = kept.store.life(made.message.id)
        assert life is not None
        assert [one.why for one in life.deliveries] == [why, why]
        assert kept.store.retry(Selection(site="google"), now=NOW) == 1
        (again,) = await claimed(queue, 9)
        sent = settled(again.deliveries[0], State.DELIVERED, site="google", why="not told")
        assert await queue.settle([sent]) == 1
        told = kept.store.rows(Selection(id=spell(made.message.id)), limit=9, all=True)
        assert [(one.site, one.why) for one in told] == [("google", ""), ("yahoo", why)]
        assert kept.store.cancel(Selection(site="nobody"), now=NOW) == 0

    kept.run(test)


def test_an_attempt_says_why_the_peer_was_trusted(kept: Kept) -> None:
    made = new(slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        trusted = replace(TRIED, trust="DANE: TLSA 3 1 1 of mx.example.com")
        await queue.settle([settled(born(made), State.DELIVERED, tried=trusted)])
        life = kept.store.life(made.message.id)
        assert life is not None
        assert [one for _, one in life.attempts] == [trusted]

    kept.run(test)
