"""Slots and posts; what workers do together is tested in test_run.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.supervisor.crew import LONGEST_PAUSE, SLOTS, make_posts, pause_before_restart


def slots(count: int, number: int, taken: set[int]) -> list[int]:
    posts = make_posts(count, web=False, taken=taken, number=number)
    return [post.slot for post in posts if post.slot is not None]


def test_generations_have_slots_of_their_own() -> None:
    assert slots(2, 0, set()) == [0, 1]
    assert slots(2, 1, {0, 1}) == [2, 3]
    assert slots(2, SLOTS // 2, {2, 3}) == [0, 1]


def test_a_slot_in_use_is_passed_over() -> None:
    assert slots(2, 1, {0, 1, 2}) == [4, 5]


def test_the_web_worker_has_none() -> None:
    posts = make_posts(1, web=True, taken=set(), number=0)
    assert [(post.name, post.slot) for post in posts] == [("mail", 0), ("web", None)]


def test_no_slots_left_is_an_error() -> None:
    with pytest.raises(ValueError, match="there are no 2 free slots"):
        make_posts(2, web=False, taken=set(range(SLOTS)), number=0)


@given(st.integers(1, 256), st.integers(0, 10_000), st.sets(st.integers(0, SLOTS - 1), max_size=3))
def test_slots_are_never_shared(count: int, number: int, taken: set[int]) -> None:
    found = slots(count, number, taken)
    assert len(set(found)) == count
    assert taken.isdisjoint(found)
    assert all(0 <= slot < SLOTS for slot in found)


@given(st.integers(1, 10_000))
def test_pauses_grow_and_end(crashes: int) -> None:
    assert pause_before_restart(crashes) <= pause_before_restart(crashes + 1) <= LONGEST_PAUSE
