"""Wishes of MAIL as times."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.envelope import NO_WISHES, Wishes
from postwicket.core.refusal import Refusal
from postwicket.policy.timing import AT_ONCE, LATE, Bounds, Timing, latest_release, resolve

BOUNDS = Bounds(hold_at_most=1000.0, priority=4)
NOW = 1_000_000.0


def timing(wishes: Wishes, bounds: Bounds = BOUNDS) -> Timing:
    found = resolve(wishes, NOW, bounds)
    assert isinstance(found, Timing)
    return found


def refusal(wishes: Wishes, bounds: Bounds = BOUNDS) -> str:
    found = resolve(wishes, NOW, bounds)
    assert isinstance(found, Refusal)
    assert (found.reply.code, found.reply.status) == (501, (5, 4))
    return found.reply.rule


def test_who_wishes_nothing_leaves_at_once() -> None:
    assert timing(NO_WISHES) is AT_ONCE
    assert AT_ONCE.expires(NOW, 10.0) == NOW + 10


def test_held_mail_has_its_whole_patience_afterwards() -> None:
    held = timing(Wishes(hold_for=600))
    assert held.demands.not_before == NOW + 600
    assert held.expires(NOW, 10.0) == NOW + 610
    assert timing(Wishes(hold_until=NOW + 600)) == held
    assert timing(Wishes(hold_until=NOW - LATE / 2)).demands.not_before == 0.0


def test_what_cannot_be_done_is_refused_with_its_reason() -> None:
    assert refusal(Wishes(hold_for=1001)) == "envelope.hold-too-long"
    assert refusal(Wishes(hold_until=NOW + 1001)) == "envelope.hold-too-long"
    assert refusal(Wishes(hold_until=NOW - LATE - 1)) == "envelope.hold-over"
    assert refusal(Wishes(hold_for=600, by=600, by_mode="R")) == "envelope.by-before-release"
    off = Bounds(hold_at_most=0, priority=9)
    assert refusal(Wishes(hold_for=1), off) == "envelope.hold-too-long"


def test_a_deadline_ends_patience_only_where_the_sender_wants_it_back() -> None:
    back = timing(Wishes(by=60, by_mode="R"))
    told = timing(Wishes(by=60, by_mode="N", by_trace=True))
    assert (back.expires(NOW, 500.0), told.expires(NOW, 500.0)) == (NOW + 60, NOW + 500)
    assert back.expires(NOW, 5.0) == NOW + 5
    assert (told.demands.deliver_by, told.demands.by_trace) == (NOW + 60, True)
    assert timing(Wishes(by=-60, by_mode="N")).demands.deliver_by == NOW - 60


def test_a_priority_beyond_what_there_is_is_lowered() -> None:
    assert timing(Wishes(priority=9)) == Timing(
        demands=timing(Wishes(priority=4)).demands, lowered=True
    )
    assert not timing(Wishes(priority=-9)).lowered


@pytest.mark.parametrize("now", [0.0, NOW, NOW + 1234.5])
def test_the_latest_release_is_never_later_than_what_is_granted(now: float) -> None:
    latest = datetime.fromisoformat(latest_release(now, 90_000.0)).timestamp()
    assert now <= latest <= now + 90_000


@given(
    st.integers(-(10**9), 10**9), st.sampled_from(["", "N", "R"]), st.integers(-9, 9),
    st.one_of(st.none(), st.integers(1, 10**9)),
)  # fmt: skip
def test_every_wish_has_an_answer(by: int, mode: str, priority: int, hold: int | None) -> None:
    wishes = Wishes(by=by if mode else None, by_mode=mode, priority=priority, hold_for=hold)
    found = resolve(wishes, NOW, BOUNDS)
    if isinstance(found, Timing):
        assert found.demands.priority <= BOUNDS.priority
        assert found.demands.not_before <= NOW + BOUNDS.hold_at_most
