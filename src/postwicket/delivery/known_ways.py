"""What is known of each way of a pool: whether it has led somewhere, and how ill its hosts are."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from postwicket.policy.cause import cause_of
from postwicket.smtp.client.answer import Answer

from .plan import WELL, Health

MOST_MET = 10_000  # ways of one site; what is forgotten is met again
REMEMBERED_FOR = 1800.0  # seconds after its rest that an illness is remembered


@dataclass(frozen=True, slots=True)
class Sick:
    """A way whose hosts let nobody in, and what they last said."""

    health: Health
    answer: Answer


class KnownWays:
    """The ways of one pool, by key.

    >>> KnownWays((60.0,)).health("somewhere").failures
    0
    """

    __slots__ = ("_met", "_schedule", "_sick")

    def __init__(self, schedule: Sequence[float]) -> None:
        self._schedule = schedule
        self._met: set[Hashable] = set()
        self._sick: dict[Hashable, Sick] = {}

    def health(self, key: Hashable) -> Health:
        """Return how a way is."""
        sick = self._sick.get(key)
        return WELL if sick is None else sick.health

    def sick(self, key: Hashable) -> Sick:
        """Return what is known of a way that is not well."""
        return self._sick[key]

    def met(self, key: Hashable) -> bool:
        """Say whether somebody has ever answered there."""
        return key in self._met

    def meet(self, key: Hashable) -> None:
        """Learn that somebody answers there."""
        if len(self._met) >= MOST_MET:
            self._met.clear()
        self._met.add(key)

    def failed(self, key: Hashable, answer: Answer, now: float, pause: float = 0.0) -> None:
        """Learn that nobody is let in there; it rests, longer each time, at least `pause`."""
        health = self.health(key).failed(cause_of(answer), self._schedule, now, pause)
        self._sick[key] = Sick(health, answer)

    def well(self, key: Hashable) -> None:
        """Learn that mail is taken there, or refused as it should be."""
        self._sick.pop(key, None)

    def tidy(self, now: float) -> bool:
        """Forget old illnesses; return whether there are others."""
        old = [
            key for key, sick in self._sick.items() if sick.health.until + REMEMBERED_FOR <= now
        ]
        for key in old:
            del self._sick[key]
        return bool(self._sick)
