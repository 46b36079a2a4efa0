"""How much of one thing is taken in a time: buckets that fill again, and are never many.

Pure: the time comes in as an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_KEYS: Final = 10_000


class Tempo:
    """At most `burst` at once, and `per_hour` in the long run, for each key.

    >>> tempo = Tempo(per_hour=60, burst=2)
    >>> [tempo.take("192.0.2.1", now) for now in (0.0, 0.0, 0.0, 60.0)]
    [True, True, False, True]
    """

    def __init__(self, *, per_hour: float, burst: int) -> None:
        self._rate = per_hour / 3600.0
        self._burst = float(burst)
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, key: object, now: float, count: int = 1) -> bool:
        """Take so many for this key, or none; False when there are fewer."""
        left, since = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._rate)
        taken = left >= count
        self._buckets[key] = (left - count if taken else left, now)
        # The one that was asked for longest ago has filled up most: forgetting it costs least.
        if len(self._buckets) > MOST_KEYS:
            self._buckets.popitem(last=False)
        return taken
