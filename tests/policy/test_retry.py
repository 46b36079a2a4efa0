"""The schedule repeats its last pause and spreads by ten per cent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.policy.retry import pause_after


@given(
    st.integers(0, 1000),
    st.lists(st.floats(1, 1e6), min_size=1, max_size=9),
    st.floats(-5, 5),
)
def test_a_pause_is_near_one_of_the_schedule(
    attempts: int, schedule: list[float], jitter: float
) -> None:
    step = schedule[min(max(attempts, 1), len(schedule)) - 1]
    assert 0.899 * step <= pause_after(attempts, schedule, jitter) <= 1.101 * step
