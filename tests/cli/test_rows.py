"""Deliveries as commands show them."""

from __future__ import annotations

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
    }


def test_people_see_what_is_under_way() -> None:
    assert rows.state_of(ROW) == "sending"
