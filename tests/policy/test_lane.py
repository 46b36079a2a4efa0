"""Lanes: what a header says, what an account says, and the place in the queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.header import Header
from postwicket.policy.lane import is_bulk, lane_of, place_of, take_turns, urgency_of


@pytest.mark.parametrize(
    ("fields", "default", "lane"),
    [
        (b"", "transactional", "transactional"),
        (b"", "bulk", "bulk"),
        (b"Precedence: bulk", "transactional", "bulk"),
        (b"precedence:  LIST ", "transactional", "bulk"),
        (b"Precedence: junk", "transactional", "bulk"),
        (b"Precedence: first-class", "transactional", "transactional"),
        (b"Precedence: first-class", "bulk", "bulk"),
        (b"X-Postwicket-Lane: Bulk", "transactional", "bulk"),
        (b"X-Postwicket-Lane: transactional\r\nPrecedence: bulk", "bulk", "transactional"),
        (b"X-Postwicket-Lane: express", "bulk", "bulk"),
        (b"X-Postwicket-Lane: \xff", "transactional", "transactional"),
        # A receipt has a link to unsubscribe as well: it says nothing about hurry.
        (b"List-Unsubscribe: <https://a.example/>", "transactional", "transactional"),
    ],
)
def test_the_header_decides_else_the_account(fields: bytes, default: str, lane: str) -> None:
    header = Header.parse(b"Subject: x\r\n" + (fields + b"\r\n" if fields else b""))
    assert lane_of(header, default) == lane


@given(st.sampled_from(["transactional", "bulk"]), st.integers(-9, 9))
def test_lane_and_priority_are_read_back_from_the_place(lane: str, priority: int) -> None:
    assert place_of(urgency_of(lane, priority)) == (lane, priority)
    assert is_bulk(urgency_of(lane, priority)) == (lane == "bulk")


def test_no_priority_lifts_bulk_over_transactional() -> None:
    assert urgency_of("bulk", 9) > urgency_of("transactional", -9)
    assert urgency_of("bulk", 99) == urgency_of("bulk", 9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40))
def test_no_room_is_wasted_and_bulk_has_its_share(urgent: int, bulk: int, limit: int) -> None:
    taken = take_turns(list("u" * urgent), list("b" * bulk), limit)
    assert len(taken) == min(limit, urgent + bulk)
    assert taken.count("b") >= min(bulk, limit // 4)
    assert taken.count("u") >= min(urgent, limit - limit // 4)
    assert taken == sorted(taken, reverse=True)
