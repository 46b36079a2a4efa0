"""The contract of `Queue`, kept by every implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postwicket.core.entry import Administered
from postwicket.core.envelope import Sender
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State
from postwicket.storage.interfaces import Conflict, Queue
from postwicket.storage.values import Claimed, OverLimit, Selection

from .conftest import Kept
from .making import BOB, EVE, NOW, born, charge, new, settled


def test_an_accepted_message_comes_back_as_it_went_in(kept: Kept) -> None:
    made = new(BOB, EVE, message_id="<1@example.org>", subject="Grüße", lane="bulk")
    bounce = new(BOB, sender=Sender(address=None))

    async def test(queue: Queue) -> None:
        assert await queue.accept(made) is None
        assert await queue.accept(bounce) is None
        assert queue.message(made.message.id) == made.message
        assert queue.message(bounce.message.id) == bounce.message
        assert queue.message(QueueId(1)) is None
        content = queue.content(made.message.id)
        assert content.header == b"Subject: hi\r\n"
        assert b"".join(content.pieces()) == b"Subject: hi\r\n\r\nhello\r\n"
        assert content.size == 22

    kept.run(test)


def test_an_id_is_taken_once(kept: Kept) -> None:
    made, other = new(), new()

    async def test(queue: Queue) -> None:
        first, second, third = queue.accept(made), queue.accept(made), queue.accept(other)
        assert await first is None
        with pytest.raises(Conflict):
            await second
        assert await third is None
        assert len(kept.store.journal(kind="accepted", since=0, limit=9)) == 2

    kept.run(test)


def test_what_is_due_is_claimed_longest_due_first(kept: Kept) -> None:
    late, early, future = new(at=NOW - 10), new(BOB, EVE, at=NOW - 20), new(at=NOW + 5)

    async def test(queue: Queue) -> None:
        for made in (late, early, future):
            await queue.accept(made)
        assert queue.next_due() == NOW - 20
        first = await queue.claim(1, now=NOW, lease_until=NOW + 60, limit=1)
        assert [(c.message, len(c.deliveries)) for c in first] == [(early.message, 1)]
        rest = await queue.claim(2, now=NOW, lease_until=NOW + 60, limit=10)
        assert [c.message for c in rest] == [early.message, late.message]
        assert [d.number for d in rest[0].deliveries] == [2]
        assert rest[0].deliveries[0].due == NOW + 60
        assert rest[0].deliveries[0].recipient == EVE
        assert await queue.claim(1, now=NOW, lease_until=NOW + 60, limit=9) == []
        assert queue.next_due() == NOW + 5

    kept.run(test)


def test_an_ended_claim_is_anybodys(kept: Kept) -> None:
    made = new(slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        assert queue.next_due() == NOW + 300
        assert await queue.claim(2, now=NOW + 299, lease_until=NOW + 999, limit=9) == []
        claimed = await queue.claim(2, now=NOW + 300, lease_until=NOW + 600, limit=9)
        assert [c.message for c in claimed] == [made.message]
        assert await queue.settle([settled(born(made), State.DELIVERED)]) == 0
        assert await queue.settle([settled(born(made), State.DELIVERED, slot=2)]) == 1
        assert queue.next_due() is None

    kept.run(test)


def test_a_claim_is_renewed_and_given_back_to_its_old_time(kept: Kept) -> None:
    made = new(BOB, EVE, slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        await queue.renew(1, lease_until=NOW + 900)
        await queue.renew(2, lease_until=NOW + 9000)
        assert queue.next_due() == NOW + 900
        await queue.give_back(2, [born(made)])
        assert queue.next_due() == NOW + 900
        await queue.give_back(1, [born(made)])
        assert queue.next_due() == NOW
        claimed = await queue.claim(3, now=NOW, lease_until=NOW + 60, limit=9)
        assert [d.number for d in claimed[0].deliveries] == [1]

    kept.run(test)


def test_a_deferred_delivery_waits_and_counts_its_attempts(kept: Kept) -> None:
    made = new(slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        later = settled(
            born(made), State.DEFERRED, due=NOW + 60, cause="network", reply="421", warned=True
        )
        assert await queue.settle([later]) == 1
        assert await queue.settle([later]) == 0
        assert queue.next_due() == NOW + 60
        [claimed] = await queue.claim(1, now=NOW + 60, lease_until=NOW + 99, limit=9)
        [delivery] = claimed.deliveries
        assert (delivery.state, delivery.attempts, delivery.warned) == (State.DEFERRED, 1, True)
        held = settled(delivery, State.HELD, due=NOW + 1, tried=None)
        assert await queue.settle([held]) == 1
        assert queue.next_due() is None
        [row] = kept.store.rows(Selection(), limit=9)
        assert (row.state, row.attempts, row.sending) == (State.HELD, 1, False)

    kept.run(test)


def test_the_body_is_let_go_with_the_last_delivery(kept: Kept) -> None:
    made = new(BOB, EVE, slot=1)
    caught = new(BOB, EVE, slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        await queue.accept(caught)
        await queue.settle([settled(born(made), State.DELIVERED)])
        assert queue.content(made.message.id).size
        await queue.settle([settled(born(made, 2), State.FAILED)])
        with pytest.raises(Conflict):
            queue.content(made.message.id)
        both = [
            settled(born(caught), State.CAPTURED),
            settled(born(caught, 2), State.DELIVERED),
        ]
        assert await queue.settle(both) == 2
        assert queue.content(caught.message.id).size

    kept.run(test)


def test_notices_are_stored_only_with_a_settlement_that_took_effect(kept: Kept) -> None:
    made, notice, other = new(slot=1), new(), new()

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        failed = settled(born(made), State.FAILED)
        assert await queue.settle([failed], [notice]) == 1
        assert await queue.settle([failed], [other]) == 0
        assert queue.message(notice.message.id) == notice.message
        assert queue.message(other.message.id) is None

    kept.run(test)


def test_one_stale_settlement_among_many_takes_no_effect(kept: Kept) -> None:
    made = [new(slot=1) for _ in range(5)]

    async def test(queue: Queue) -> None:
        for each in made:
            await queue.accept(each)
        await queue.settle([settled(born(made[2]), State.DELIVERED)])
        futures = [queue.settle([settled(born(each), State.FAILED)]) for each in made]
        assert [await future for future in futures] == [1, 1, 0, 1, 1]
        assert dict(kept.store.counts()) == {State.DELIVERED: 1, State.FAILED: 4}
        assert len(kept.store.journal(kind="settled", since=0, limit=99)) == 5
        mixed = [settled(born(made[0]), State.FAILED)]
        assert await queue.settle(mixed) == 0

    kept.run(test)


def test_a_part_of_a_settlement_may_take_effect(kept: Kept) -> None:
    made = new(BOB, EVE, slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        await queue.settle([settled(born(made), State.DELIVERED)])
        both = [settled(born(made, number), State.FAILED) for number in (1, 2)]
        assert await queue.settle(both) == 1
        states = [row.state for row in kept.store.rows(Selection(), limit=9, all=True)]
        assert states == [State.DELIVERED, State.FAILED]

    kept.run(test)


def test_a_delivery_that_only_waits_on_leaves_nothing_in_the_journal(kept: Kept) -> None:
    one, other = new(slot=1), new(slot=1)

    async def test(queue: Queue) -> None:
        await queue.accept(one)
        await queue.accept(other)
        waits = replace(settled(born(one), State.DEFERRED, due=NOW + 9, tried=None), entry=None)
        assert await queue.settle([waits, settled(born(other), State.DELIVERED)]) == 2
        assert len(kept.store.journal(kind="settled", since=0, limit=9)) == 1
        (row,) = kept.store.rows(Selection(state=State.DEFERRED), limit=9)
        assert (row.attempts, row.next_attempt) == (0, NOW + 9)

    kept.run(test)


def test_an_entry_is_recorded(kept: Kept) -> None:
    entry = Administered(at=NOW, what="reload", subject="configuration")

    async def test(queue: Queue) -> None:
        queue.record(entry)

    kept.run(test)
    [happening] = kept.store.journal(kind="administered", since=NOW, limit=9)
    assert (happening.at, happening.message) == (NOW, None)
    assert happening.data == entry.data()


def test_a_day_has_a_limit(kept: Kept) -> None:
    async def test(queue: Queue) -> None:
        for step in range(3):
            fits = await queue.accept(new(charge=charge(), at=NOW + 60 * step))
            assert fits is None
        refused = new(charge=charge(), at=NOW + 200)
        over = await queue.accept(refused)
        # The first minute's charge is wholly a day old when the minute after it is.
        assert over == OverLimit("messages", 3, NOW + 86_400 + 60)
        assert queue.message(refused.message.id) is None
        assert queue.room_at(charge(), now=NOW + 200) == over
        assert queue.usage(1, now=NOW + 200) == (3, 3)
        assert await queue.accept(new(charge=charge(2), at=NOW + 200)) is None
        assert queue.usage(1, now=NOW + 86_400 + 59) == (3, 3)
        assert queue.usage(1, now=NOW + 86_400 + 60) == (2, 2)
        assert queue.room_at(charge(), now=NOW + 86_400 + 60) is None
        assert await queue.accept(new(charge=charge(), at=NOW + 86_400 + 60)) is None
        assert await queue.accept(new(charge=charge(), at=NOW + 86_400 + 61)) is not None
        assert queue.usage(3, now=NOW) == (0, 0)

    kept.run(test)


def test_recipients_have_a_limit_of_their_own(kept: Kept) -> None:
    async def test(queue: Queue) -> None:
        many = charge(recipients=6, messages=100)
        futures = [queue.accept(new(charge=many)) for _ in range(3)]
        assert await futures[0] is None
        over = OverLimit("recipients", 10, NOW + 86_460)
        assert [await future for future in futures[1:]] == [over, over]
        assert await queue.accept(new(charge=charge(recipients=4, messages=100))) is None
        never = await queue.accept(new(charge=charge(recipients=11, messages=100)))
        assert never == over
        assert queue.usage(1, now=NOW) == (2, 10)

    kept.run(test)


def test_a_full_batch_is_taken_whole(kept: Kept) -> None:
    made = [new(BOB, EVE, charge=charge(messages=10**6, day=10**6)) for _ in range(300)]

    async def test(queue: Queue) -> None:
        futures = [queue.accept(each) for each in made]
        assert {await future for future in futures} == {None}
        claimed: list[Claimed] = await queue.claim(1, now=NOW, lease_until=NOW + 9, limit=500)
        assert sum(len(each.deliveries) for each in claimed) == 500
        assert queue.usage(1, now=NOW) == (300, 300)

    kept.run(test)
