"""Queue ids: unique, in order, readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.queue_id import QueueId, QueueIds, read, spell


def test_ids_grow_even_when_the_clock_goes_back() -> None:
    ids = QueueIds(3)
    made = [ids.next(now) for now in (1.8e9, 1.8e9, 1.7e9, 1.8e9 + 1)]
    assert made == sorted(set(made))


def test_more_in_a_millisecond_than_there_is_room_for() -> None:
    ids = QueueIds(1023)
    made = [ids.next(1.8e9) for _ in range(10_000)]
    assert made == sorted(set(made))


def test_two_slots_never_make_the_same() -> None:
    one, other = QueueIds(1), QueueIds(2)
    assert not {one.next(1.8e9) for _ in range(5000)} & {other.next(1.8e9) for _ in range(5000)}


@given(st.integers(0, 2**63 - 1))
def test_spelling_is_reversible_and_keeps_the_order(value: int) -> None:
    text = spell(QueueId(value))
    assert len(text) == 13
    assert read(text.lower()) == value
    assert value == 0 or spell(QueueId(value - 1)) < text


@pytest.mark.parametrize(
    "text", ["", "abc", "0" * 14, "../../etc/pass", "ZZZZZZZZZZZZZ", "0AMB1ECJG000I"]
)
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="not a queue id"):
        read(text)
