"""What is measured, and what the project has promised about it.

The targets are those of the issues "The counter opens" and "Delivery to the world"; a number
stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from bench.peers.server import Door, Mode
from bench.results import Outcome, Sample, Verdict

POSTFIX: Final = "Postfix"
SINK: Final = "smtp-sink"
OURS: Final = "Postwicket"

MEASURES: Final[dict[str, Callable[[Sample], float]]] = {
    "messages/s": lambda sample: sample.rate,
    "CPU per message": lambda sample: sample.cpu,
}


@dataclass(frozen=True, slots=True)
class Target:
    """Postwicket's figure divided by another server's: at least, or at most, `limit`."""

    measure: str
    against: str
    limit: float
    at_least: bool = True

    def judge(self, outcome: Outcome) -> Verdict | None:
        """Compare the medians; None when one of the two did not run."""
        if not {OURS, self.against} <= set(outcome.peers()):
            return None
        measure = MEASURES[self.measure]
        other = outcome.median(self.against, measure)
        return Verdict(
            what=f"{self.measure}, against {self.against}",
            value=outcome.median(OURS, measure) / other if other else 0.0,
            target=self.limit,
            at_least=self.at_least,
            unit="x",
            valid=outcome.valid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A comparison: the same load for every server that has the door."""

    key: str
    title: str
    count: int
    tool: Literal["smtp-source", "generator"] = "generator"
    door: Door = "none"
    per_connection: int = 1
    mode: Mode = Mode.KEEP
    recipients: tuple[str, ...] = ()  # one a message, in turn; none: always the same
    targets: tuple[Target, ...] = ()


_CPU: Final = Target("CPU per message", POSTFIX, 1 / 3, at_least=False)
_PLAIN: Final = (Target("messages/s", POSTFIX, 2.5), _CPU, Target("messages/s", SINK, 0.4))
_TEN: Final = (Target("messages/s", POSTFIX, 2.5), _CPU)

COMPARISONS: Final = (
    Case(
        key="plain-kept",
        title="Accept, plain, connections kept",
        count=5000,
        tool="smtp-source",
        targets=_PLAIN,
    ),
    Case(
        key="plain-ten",
        title="Accept, plain, ten a connection",
        count=5000,
        per_connection=10,
        targets=_PLAIN,
    ),
    Case(
        key="starttls-one",
        title="Submit, STARTTLS + AUTH, one a connection",
        count=2000,
        door="starttls",
        targets=(Target("messages/s", POSTFIX, 1.5), _CPU),
    ),
    Case(
        key="starttls-ten",
        title="Submit, STARTTLS + AUTH, ten a connection",
        count=5000,
        door="starttls",
        per_connection=10,
        targets=_TEN,
    ),
    Case(
        key="implicit-ten",
        title="Submit, implicit TLS + AUTH, ten a connection",
        count=5000,
        door="implicit",
        per_connection=10,
        targets=_TEN,
    ),
    Case(
        key="relay",
        title="End to end: until smtp-sink behind has the last one",
        count=5000,
        tool="smtp-source",
        mode=Mode.RELAY,
        targets=(Target("messages/s", POSTFIX, 3.0),),
    ),
    Case(
        key="direct",
        title="Signed and over TLS to a Postfix receiver: until it has the last one",
        count=3000,
        tool="smtp-source",
        mode=Mode.DIRECT,
        targets=(Target("messages/s", POSTFIX, 3.0), _CPU),
    ),
)

SESSIONS: Final = 20
SIZE: Final = 4096
WARM_UP: Final = 200  # messages before the first round: processes start, caches fill

IDLE: Final = "idle"
IDLE_CONNECTIONS: Final = 10_000
IDLE_OCTETS_EACH: Final = 40 * 1024.0
IDLE_SLOWDOWN: Final = 20.0  # per cent

LARGE: Final = "large"
LARGE_OCTETS: Final = 35_000_000
LARGE_AT_ONCE: Final = 20
LARGE_MEGABYTES: Final = 150.0  # over idle, all processes together

BACKLOG: Final = "backlog"
BACKLOG_MESSAGES: Final = 200_000
BACKLOG_RATE: Final = 0.9  # of the empty queue's
BACKLOG_START: Final = 3.0  # seconds until the first 220

DEAD_SITES: Final = "dead-sites"
SITES: Final = 1000  # destination domains, each with an exchanger of its own
DEAD: Final = 0.3  # of them
DEAD_RATE: Final = 0.9  # to the living ones, of the rate without dead ones
DEAD_MEGABYTES: Final = 30.0  # more memory (PSS) than before there was mail for dead ones
DEAD_MEGABYTES_LATER: Final = 15.0  # from the first round beside dead ones to the last: flat

DEFERRED: Final = "deferred"
DEFERRED_DELIVERIES: Final = 200_000
DEFERRED_SECONDS: Final = 1.0  # to start, to list, and for a new message to go through

ALL: Final = (*(case.key for case in COMPARISONS), IDLE, LARGE, BACKLOG, DEAD_SITES, DEFERRED)
