"""The rolling day: never more than the limit in any 24 hours, and room when it is promised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.storage.usage import minute_of, over_limit
from postwicket.storage.values import Charge

LIMIT = 5


def a_charge(recipients: int) -> Charge:
    return Charge(
        account=1,
        messages=1,
        recipients=recipients,
        messages_per_day=LIMIT,
        recipients_per_day=2 * LIMIT,
    )


@given(st.lists(st.tuples(st.floats(0.01, 30_000), st.integers(1, 4)), max_size=60))
def test_no_24_hours_hold_more_than_the_limit(steps: list[tuple[float, int]]) -> None:
    now = 1_800_000_000.0
    minutes: dict[int, tuple[int, int]] = {}
    taken: list[tuple[float, int]] = []
    for wait, recipients in steps:
        now += wait
        rows = [(minute, *sums) for minute, sums in sorted(minutes.items())]
        over = over_limit(a_charge(recipients), rows, now=now)
        if over is None:
            messages, sum_ = minutes.get(minute_of(now), (0, 0))
            minutes[minute_of(now)] = messages + 1, sum_ + recipients
            taken.append((now, recipients))
        else:
            assert now < over.room_at <= now + 86_400 + 60
            assert over_limit(a_charge(recipients), rows, now=over.room_at) is None
            assert over_limit(a_charge(recipients), rows, now=over.room_at - 0.01) is not None
    for start, _ in taken:
        window = [recipients for at, recipients in taken if start <= at < start + 86_400]
        assert len(window) <= LIMIT
        assert sum(window) <= 2 * LIMIT
