"""How fast one site may be sent to: never above its rule, never below one, learnt from replies.

Pure arithmetic after TCP (RFC 5681).  A site that nobody has sent to begins with few connections;
each success while the site is as busy as it may be adds one connection (slow start: they double
in a round), and once the site has objected, one in a round.  An objection halves them.  A peer
that says it gets too many messages is believed about messages a minute as well: what it took is
the measure, half of that is tried next, and a tenth more is tried with each quiet minute.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

FIRST: Final = 2  # connections to a site that we know nothing of
ONE_OBJECTION: Final = 5.0  # seconds: what several connections hear at once is one objection
SLOWEST: Final = 1.0  # messages a minute: a site that takes less has no rule, it is down
GROWTH: Final = 1.1  # for each minute without an objection
UNBOUNDED: Final = 100_000.0  # messages a minute: a learnt limit above it is forgotten
MEMORY: Final = 10.0  # seconds over which the flow is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one site may get at most.  `per_minute` is messages, None for no limit of ours."""

    connections: int = 10
    messages_per_connection: int = 100
    per_minute: float | None = None
    slow_start: bool = True

    def share(self, workers: int) -> Rule:
        """Return what each of so many workers may use of it, at least one of everything."""
        return replace(
            self,
            connections=math.ceil(self.connections / workers),
            per_minute=None if self.per_minute is None else max(1.0, self.per_minute / workers),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a site gets now.

    `width` is connections (its whole part counts); below `threshold` it doubles in a round.
    `learnt` is messages a minute as the peer taught us, None while it did not; `slowed` is when
    it last objected.
    """

    width: float
    threshold: float
    learnt: float | None = None
    slowed: float = -math.inf

    @property
    def connections(self) -> int:
        """How many connections may be in use."""
        return int(self.width)

    def per_minute(self, rule: Rule, now: float) -> float | None:
        """Return the messages a minute that are in force, None for no limit."""
        learnt = self.learnt
        if learnt is not None:
            learnt *= math.pow(GROWTH, max(0.0, (now - self.slowed) / 60))
            learnt = None if learnt >= UNBOUNDED else learnt
        if learnt is None or rule.per_minute is None:
            return learnt if rule.per_minute is None else rule.per_minute
        return min(learnt, rule.per_minute)


def begin(rule: Rule) -> Pace:
    """Return the pace of a site that we know nothing of.

    >>> begin(Rule(connections=20)).connections
    2
    """
    width = float(min(FIRST, rule.connections) if rule.slow_start else rule.connections)
    return Pace(width=width, threshold=float(rule.connections))


def after_success(pace: Pace, rule: Rule, *, in_use: int) -> Pace:
    """Return the pace after a message was taken while `in_use` connections were busy.

    What is not used does not grow (RFC 7661): it would prove nothing.
    """
    most = float(rule.connections)
    if pace.width >= most or in_use < pace.connections:
        return pace
    more = 1.0 if pace.width < pace.threshold else 1.0 / pace.width
    return replace(pace, width=min(most, pace.width + more))


def after_objection(pace: Pace, *, now: float, flow: float | None = None) -> Pace:
    """Return the pace after the site objected to how much it gets.

    `flow` is the messages a minute that it took lately, given where it spoke of messages.
    """
    if now - pace.slowed < ONE_OBJECTION:
        return pace
    width = max(1.0, pace.width / 2)
    learnt = pace.learnt if flow is None else max(SLOWEST, flow / 2)
    return replace(pace, width=width, threshold=width, learnt=learnt, slowed=now)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens for messages: never more than a minute's limit in a minute, give or take a second's.

    `level` tokens were there `at`; the rate comes with each question, for it changes.
    """

    level: float = 1.0
    at: float = -math.inf

    def wait(self, per_minute: float, now: float) -> float:
        """Return the seconds until there is a token; 0 if there is one.

        >>> Bucket(0.0, 100.0).wait(60, 100.0)
        1.0
        """
        lacking = 1.0 - self._level(per_minute, now)
        return 0.0 if lacking <= 1e-9 else lacking * 60 / per_minute

    def take(self, per_minute: float, now: float) -> Bucket:
        """Return the bucket without one token."""
        return Bucket(self._level(per_minute, now) - 1.0, now)

    def _level(self, per_minute: float, now: float) -> float:
        most = max(1.0, per_minute / 60)
        if self.at == -math.inf:
            return most
        return min(most, self.level + max(0.0, now - self.at) * per_minute / 60)


@dataclass(frozen=True, slots=True)
class Flow:
    """How much passes in a second, over the last ten seconds or so."""

    level: float = 0.0
    at: float = 0.0
    since: float = 0.0

    def add(self, count: int, now: float) -> Flow:
        """Return the flow with so many more."""
        if self.stale(now):
            return Flow(float(count), now, now)  # what was long ago says nothing
        return Flow(self.level * _faded(now - self.at) + count, now, self.since)

    def stale(self, now: float) -> bool:
        """Say whether nothing has passed for so long that the measure says nothing."""
        return self.at == 0.0 or now - self.at > 3 * MEMORY

    def per_second(self, now: float) -> float:
        """Return the measure; what is younger than a second counts as a second.

        >>> Flow().add(10, 100.0).add(10, 101.0).per_second(101.0) > 10
        True
        """
        if self.at == 0.0:
            return 0.0
        age = max(1.0, now - self.since)
        return self.level * _faded(now - self.at) / (MEMORY * (1 - math.exp(-age / MEMORY)))


def _faded(seconds: float) -> float:
    return math.exp(-max(0.0, seconds) / MEMORY)
