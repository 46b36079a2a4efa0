"""The pace of one place that takes mail, as it goes: `policy.pace` with a memory.

The pool asks how many connections may be in use and how long the next message has to wait, and
tells what came of each.
"""

from __future__ import annotations

from typing import Final

from postwicket.policy.pace import (
    Bucket,
    Flow,
    Rule,
    after_objection,
    after_success,
    begin,
)

CROWDED_FOR: Final = 60.0  # seconds to stay below the number of connections a host refused


class Pacing:
    """What one place gets now."""

    __slots__ = ("_bucket", "_crowd", "_crowded_until", "_flow", "_pace", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._pace = begin(rule)
        self._bucket = Bucket()
        self._flow = Flow()
        self._crowd = 0
        self._crowded_until = 0.0

    def connections(self, now: float) -> int:
        """Return how many connections may be open or on their way."""
        limit = self._pace.connections
        return max(1, min(limit, self._crowd)) if now < self._crowded_until else limit

    def wait(self, now: float) -> float:
        """Return the seconds until a message may go."""
        limit = self._pace.per_minute(self.rule, now)
        return 0.0 if limit is None else self._bucket.wait(limit, now)

    def begun(self, now: float) -> None:
        """Count a message that goes."""
        limit = self._pace.per_minute(self.rule, now)
        if limit is not None:
            self._bucket = self._bucket.take(limit, now)

    def took(self, deliveries: int, now: float, *, in_use: int) -> None:
        """Learn that a message was taken for so many."""
        self._flow = self._flow.add(deliveries, now)
        self._pace = after_success(self._pace, self.rule, in_use=in_use)

    def objected(self, now: float, *, to_messages: bool) -> None:
        """Learn that the place wants less."""
        flow = self._flow.per_second(now) * 60 if to_messages else None
        self._pace = after_objection(self._pace, now=now, flow=flow)

    def crowded(self, connections: int, now: float) -> None:
        """Learn that a connection beyond so many was refused."""
        self._crowd, self._crowded_until = connections, now + CROWDED_FOR
        if self.rule.slow_start:
            self.objected(now, to_messages=False)

    def fell_silent(self) -> None:
        """Learn that it takes no mail at all."""
        self._crowded_until = 0.0

    def limit(self, now: float) -> float | None:
        """Return the messages a second that are in force, None for no limit."""
        limit = self._pace.per_minute(self.rule, now)
        return None if limit is None else limit / 60

    def headroom(self) -> float:
        """Return how many times as many connections the site may come to get, at least 1."""
        if self._pace.threshold < self.rule.connections:
            return 1.0  # it has objected: we know about where its limit is
        return max(1.0, self.rule.connections / self._pace.width)

    def words(self, now: float) -> str:
        """Say the limits that are in force."""
        limit = self._pace.per_minute(self.rule, now)
        count = self.connections(now)
        most = self.rule.connections
        said = f"{count} connection{'' if count == 1 else 's'} at once"
        if count < most:
            said += f" (at most {most})"
        return said if limit is None else f"{said}, {limit:.0f} messages a minute"
