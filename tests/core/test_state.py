"""The states of a delivery."""

from __future__ import annotations

from postwicket.core.state import MOVES, WAITING, State


def test_the_table_is_total_and_final_states_lead_nowhere() -> None:
    assert set(MOVES) == set(State)
    assert {state for state in State if state.final} == {
        State.DELIVERED,
        State.CAPTURED,
        State.DISCARDED,
        State.FAILED,
        State.EXPIRED,
        State.SUPPRESSED,
        State.CANCELLED,
    }


def test_every_waiting_state_can_end() -> None:
    for state in WAITING | {State.HELD}:
        assert any(after.final for after in MOVES[state])
