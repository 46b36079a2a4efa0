"""The contract of what comes back and of the suppression list, kept by every implementation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postwicket.core.address import Address
from postwicket.core.entry import CameBack
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State
from postwicket.storage.comebacks import Unwritten
from postwicket.storage.database import Parameters
from postwicket.storage.generation import Generation
from postwicket.storage.interfaces import Queue
from postwicket.storage.rows import Row
from postwicket.storage.values import ComeBack, NewMessage, Selection, Suppression

from .conftest import Kept
from .making import BOB, EVE, NOW, born, new, settled

GONE = Suppression(
    address="bob@example.com",
    reason="bounce",
    detail="550 5.1.1 no such user",
    message=QueueId(5),
    created=NOW,
    expires=NOW + 100,
)


def bounce(made: NewMessage, number: int | None = 1, **more: Any) -> ComeBack:
    entry = CameBack(at=NOW + 9, message=made.message.id, what="bounce", delivery=number or 0)
    given = {"state": State.FAILED, "cause": "recipient", "reply": "550 no", **more}
    return ComeBack(message=made.message.id, number=number, entry=entry, **given)


async def delivered(queue: Queue, made: NewMessage) -> None:
    await queue.accept(made)
    count = len(made.message.envelope.recipients)
    await queue.settle([settled(born(made, one), State.DELIVERED) for one in range(1, count + 1)])


def states(kept: Kept, made: NewMessage) -> list[str]:
    life = kept.store.life(made.message.id)
    assert life is not None
    return [row.state.value for row in life.deliveries]


def test_a_bounce_changes_the_delivery_with_all_that_follows(kept: Kept) -> None:
    made, notice = new(BOB, EVE, slot=1), new(BOB)

    async def test(queue: Queue) -> None:
        await delivered(queue, made)
        returned = bounce(made, suppression=GONE, notices=(notice,))
        assert await queue.come_back(returned)
        assert states(kept, made) == ["failed", "delivered"]
        row = kept.store.rows(Selection(state=State.FAILED), limit=9, all=True)[0]
        assert (row.cause, row.reply) == ("recipient", "550 no")
        assert queue.message(notice.message.id) == notice.message
        assert kept.store.suppressions(limit=9) == [GONE]
        told = kept.store.journal(kind="came-back", since=0, limit=9)
        assert [one.data["what"] for one in told] == ["bounce"]

    kept.run(test)


def test_what_is_told_twice_counts_once(kept: Kept) -> None:
    made, first, second = new(BOB, slot=1), new(BOB), new(BOB)

    async def test(queue: Queue) -> None:
        await delivered(queue, made)
        assert await queue.come_back(bounce(made, notices=(first,)))
        kept.store.unsuppress("bob@example.com")
        again = bounce(made, notices=(second,), suppression=GONE)
        assert not await queue.come_back(again)
        assert queue.message(second.message.id) is None
        assert kept.store.suppressions(limit=9) == []
        assert len(kept.store.journal(kind="came-back", since=0, limit=9)) == 2

    kept.run(test)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: bounce(made, number=7),
        lambda made: bounce(made, number=None),
        lambda made: bounce(made, number=None, recipient=Address.parse("x@example.com")),
        lambda made: replace(bounce(made), message=QueueId(77)),
    ],
)
def test_an_unknown_delivery_changes_nothing(
    kept: Kept, change: Callable[[NewMessage], ComeBack]
) -> None:
    made = new(BOB, slot=1)

    async def test(queue: Queue) -> None:
        await delivered(queue, made)
        assert not await queue.come_back(replace(change(made), suppression=GONE))
        assert states(kept, made) == ["delivered"]
        assert kept.store.suppressions(limit=9) == []
        assert len(kept.store.journal(kind="came-back", since=0, limit=9)) == 1

    kept.run(test)


def test_a_recipient_may_be_named_instead_of_a_number(kept: Kept) -> None:
    made = new(BOB, EVE, slot=1)

    async def test(queue: Queue) -> None:
        await delivered(queue, made)
        eve = Address.parse("EVE@xn--bcher-kva.example")
        assert await queue.come_back(bounce(made, number=None, recipient=eve))
        assert states(kept, made) == ["delivered", "failed"]

    kept.run(test)


@pytest.mark.parametrize("state", [State.COMPLAINED, State.UNSUBSCRIBED])
def test_people_may_not_have_wanted_it(kept: Kept, state: State) -> None:
    made = new(BOB, slot=1)

    async def test(queue: Queue) -> None:
        await delivered(queue, made)
        assert await queue.come_back(bounce(made, state=state))
        assert states(kept, made) == [state.value]
        assert not await queue.come_back(bounce(made)), "it was delivered, then complained of"

    kept.run(test)


def test_what_has_not_left_does_not_come_back(kept: Kept) -> None:
    made = new(BOB)

    async def test(queue: Queue) -> None:
        await queue.accept(made)
        assert not await queue.come_back(bounce(made))
        assert states(kept, made) == ["queued"]

    kept.run(test)


def test_without_a_state_only_entry_and_suppression_are_written(kept: Kept) -> None:
    made = new(BOB, slot=1)

    async def test(queue: Queue) -> None:
        await delivered(queue, made)
        assert not await queue.come_back(bounce(made, state=None, suppression=GONE))
        assert states(kept, made) == ["delivered"]
        assert kept.store.suppressions(limit=9) == [GONE]

    kept.run(test)


def test_who_is_suppressed_in_which_lane_and_until_when(kept: Kept) -> None:
    kept.store.suppress(GONE)
    kept.store.suppress(Suppression(address="eve@example.com", lane="bulk", created=NOW))

    async def test(queue: Queue) -> None:
        everybody = ["bob@example.com", "eve@example.com", "zoe@example.com"]
        bulk = queue.suppressed(everybody, "bulk", now=NOW)
        assert {name: one.reason for name, one in bulk.items()} == {
            "bob@example.com": "bounce",
            "eve@example.com": "manual",
        }
        assert set(queue.suppressed(everybody, "transactional", now=NOW)) == {"bob@example.com"}
        assert set(queue.suppressed(everybody, "bulk", now=NOW + 100)) == {"eve@example.com"}
        assert queue.suppressed([], "bulk", now=NOW) == {}

    kept.run(test)


def test_what_holds_for_good_is_not_replaced_by_what_ends(kept: Kept) -> None:
    for_good = replace(GONE, reason="complaint", expires=None)
    kept.store.suppress(GONE)
    kept.store.suppress(for_good)
    kept.store.suppress(GONE)
    assert kept.store.suppressions(limit=9) == [for_good]
    longer = replace(GONE, address="eve@example.com", expires=NOW + 500)
    kept.store.suppress(replace(longer, expires=NOW + 100))
    kept.store.suppress(longer)
    assert kept.store.suppressions("eve@example.com", limit=9) == [longer]


def test_suppressions_are_listed_and_taken_away(kept: Kept) -> None:
    bulk = replace(GONE, lane="bulk", expires=None)
    eve = replace(GONE, address="eve@example.com")
    for one in (eve, bulk, GONE):
        kept.store.suppress(one)
    assert kept.store.suppressions(limit=9) == [GONE, bulk, eve]
    assert kept.store.suppressions(limit=2) == [GONE, bulk]
    assert kept.store.suppressions("bob@example.com", limit=9) == [GONE, bulk]
    assert kept.store.suppressions(lane="bulk", limit=9) == [bulk]
    assert kept.store.unsuppress("bob@example.com", "bulk") == 1
    assert kept.store.unsuppress("bob@example.com", "bulk") == 0
    assert kept.store.unsuppress("bob@example.com") == 1
    assert kept.store.suppressions(limit=9) == [eve]


def test_what_has_ended_is_tidied_away(kept: Kept) -> None:
    kept.store.suppress(GONE)
    kept.store.tidy(now=NOW + 99, released_slots=[])
    assert kept.store.suppressions(limit=9) == [GONE]
    kept.store.tidy(now=NOW + 100, released_slots=[])
    assert kept.store.suppressions(limit=9) == []


def test_a_list_is_read_in_pages(kept: Kept) -> None:
    lines = [
        replace(GONE, address=f"{name}@example.com", lane=lane, reason=reason)
        for name in "abc"
        for lane, reason in (("", "bounce"), ("bulk", "complaint"))
    ]
    kept.store.suppress(*lines)
    kept.store.suppress()
    first = kept.store.suppressions(limit=3)
    assert first + kept.store.suppressions(limit=9, after=first[-1]) == lines
    assert kept.store.suppressions(reason="complaint", limit=9) == lines[1::2]


def test_a_worker_learns_at_once_whom_others_suppress(kept: Kept) -> None:
    made = new(BOB, slot=1)

    async def test(queue: Queue) -> None:
        assert queue.suppressed(["bob@example.com"], "bulk", now=NOW) == {}
        kept.store.suppress(GONE)
        assert set(queue.suppressed(["bob@example.com"], "bulk", now=NOW)) == {"bob@example.com"}
        kept.store.unsuppress("bob@example.com")
        assert queue.suppressed(["bob@example.com"], "bulk", now=NOW) == {}
        await delivered(queue, made)
        await queue.come_back(bounce(made, suppression=GONE))
        assert set(queue.suppressed(["bob@example.com"], "bulk", now=NOW)) == {"bob@example.com"}

    kept.run(test)


def test_nobody_is_asked_about_while_nobody_is_suppressed(tmp_path: Path) -> None:
    asked: list[str] = []
    rows: dict[str, list[Row]] = {"any suppression": [], "suppressed": []}
    changed, time = Generation(tmp_path / "suppressed"), [5.0]

    def read(name: str, _: Parameters) -> list[Row]:
        asked.append(name)
        return rows[name]

    unwritten = Unwritten(read, changed, lambda: time[0])
    for _ in range(3):
        assert unwritten.find(["bob@example.com"], "bulk", NOW) == {}
    assert asked == ["any suppression"]
    time[0] += 1  # whoever is late to say so is found out
    rows["any suppression"] = [(1,)]
    assert unwritten.find(["bob@example.com"], "bulk", NOW) == {}
    assert asked == ["any suppression", "any suppression", "suppressed"]
    changed.close()


def test_word_of_an_uncertain_delivery_proves_that_it_arrived(kept: Kept) -> None:
    made, held = new(BOB, slot=1), new(BOB, slot=1)

    async def test(queue: Queue) -> None:
        for one in (made, held):
            await queue.accept(one)
            await queue.settle([settled(born(one), State.UNCERTAIN, due=NOW + 5)])
        await queue.claim(2, now=NOW + 9, lease_until=NOW + 90, limit=1)
        claimed, free = sorted((made, held), key=lambda one: one.message.id)
        assert not await queue.come_back(bounce(claimed)), "a worker is about to settle it"
        assert await queue.come_back(bounce(free, state=State.COMPLAINED))
        assert states(kept, free) == ["complained"]
        assert queue.state_of(claimed.message.id, 1) is State.UNCERTAIN
        assert queue.state_of(free.message.id, 1) is State.COMPLAINED
        assert queue.state_of(free.message.id, 2) is None
        assert await queue.claim(3, now=NOW + 60, lease_until=NOW + 90, limit=9) == []

    kept.run(test)
