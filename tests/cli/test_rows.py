"""Deliveries as commands show them."""

from __future__ import annotations

from dataclasses import replace

from postwicket.cli import rows
from postwicket.core.state import State
from postwicket.storage.values import QueueRow

ROW = QueueRow(
    id="0AMB2V0340000-1",
    message="0AMB2V0340000",
    sender="",
    recipient="bob@example.com",
    state=State.DEFERRED,
    attempts=2,
    next_attempt=1_893_499_200.0,
    route="upstream:relay",
    cause="rate",
    reply="450 4.2.0 Later",
    sending=True,
    site="relay",
)


def test_json_is_the_contract() -> None:
    assert rows.describe(ROW) == {
        "id": "0AMB2V0340000-1",
        "message": "0AMB2V0340000",
        "sender": "",
        "recipient": "bob@example.com",
        "state": "deferred",
        "attempts": 2,
        "next_attempt": "2030-01-01T12:00:00Z",
        "route": "upstream:relay",
        "cause": "rate",
        "reply": "450 4.2.0 Later",
        "site": "relay",
        "why": "",
        "lane": "transactional",
        "priority": 0,
    }


def test_people_see_what_is_under_way() -> None:
    assert rows.state_of(ROW) == "sending"


def test_the_reason_is_what_it_waits_for_or_what_failed() -> None:
    assert rows.reason_of(ROW) == "rate: 450 4.2.0 Later"
    assert rows.reason_of(replace(ROW, reply="")) == "rate"
    assert rows.reason_of(replace(ROW, why="next slot in 9 s")) == "next slot in 9 s"
