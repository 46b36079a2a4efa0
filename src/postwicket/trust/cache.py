"""Answers that are still good: bounded in number and size, the least used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

from postwicket.core.clock import Clock

MOST_ENTRIES: Final = 20_000
MOST_OCTETS: Final = 16 * 1024 * 1024  # of what the entries weigh together

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(NamedTuple, Generic[V]):
    value: V
    until: float
    weight: int


class Cache(Generic[K, V]):
    """Values by key, each until its time is over.

    >>> now = [0.0]
    >>> cache = Cache[str, int](lambda: now[0], entries=2)
    >>> for name in ("a", "b", "c"):
    ...     cache.put(name, 1, until=10.0)
    >>> cache.get("a"), cache.get("c")
    (None, 1)
    >>> now[0] = 10.0
    >>> cache.get("c") is None
    True
    """

    def __init__(
        self, clock: Clock, *, entries: int = MOST_ENTRIES, octets: int = MOST_OCTETS
    ) -> None:
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._most = entries
        self._room = octets
        self._weight = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what is known and still good, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: K, value: V, *, until: float, weight: int = 1) -> None:
        """Keep a value unless there is no room; `weight` is about its size in octets."""
        self._drop(key)
        if weight > self._room or until <= self._clock():
            return
        self._entries[key] = _Entry(value, until, weight)
        self._weight += weight
        while len(self._entries) > self._most or self._weight > self._room:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry.weight
