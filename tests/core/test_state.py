"""The states of a delivery."""

from __future__ import annotations

from postwicket.core.state import MOVES, WAITING, State


def test_the_table_is_total() -> None:
    assert set(MOVES) == set(State)
    assert {state for state in State if state.final} == {
        State.DELIVERED,
        State.CAPTURED,
        State.DISCARDED,
        State.FAILED,
        State.EXPIRED,
        State.SUPPRESSED,
        State.CANCELLED,
        State.COMPLAINED,
        State.UNSUBSCRIBED,
    }


def test_nothing_final_is_taken_up_again() -> None:
    for state in State:
        if state.final:
            assert all(after.final for after in MOVES[state])


def test_word_comes_back_only_of_what_was_delivered() -> None:
    moving = {state for state in State if state.final and MOVES[state]}
    assert moving == {State.DELIVERED}
    assert MOVES[State.DELIVERED] == {State.FAILED, State.COMPLAINED, State.UNSUBSCRIBED}


def test_every_waiting_state_can_end() -> None:
    for state in WAITING | {State.HELD}:
        assert any(after.final for after in MOVES[state])
