"""When to try again: the schedule, the jitter, and the end of patience."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

JITTER: Final = 0.1  # ten per cent either way, so that what failed together spreads out


def pause_after(attempts: int, schedule: Sequence[float], jitter: float) -> float:
    """Return the seconds to wait after the given number of ended attempts (1 is the first).

    The last of the schedule repeats.  `jitter` is from -1 to 1 and moves it by ten per cent.

    >>> [pause_after(n, (60, 300), 0) for n in (1, 2, 3)]
    [60.0, 300.0, 300.0]
    """
    step = schedule[min(max(attempts, 1), len(schedule)) - 1]
    return step * (1 + JITTER * max(-1.0, min(1.0, jitter)))
