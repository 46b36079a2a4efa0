"""What the benchmark found out: samples, figures and verdicts, ready for JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bench.measure import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round of one server.  Latencies are in milliseconds, None where the tool knows none."""

    peer: str
    accepted: int
    seconds: float
    cpu_seconds: float
    generator_cpu_seconds: float
    memory: Memory
    p50: float | None = None
    p99: float | None = None
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.accepted / self.seconds if self.seconds > 0 else 0.0

    @property
    def cpu(self) -> float:
        """Microseconds of the server's CPU per message."""
        return self.cpu_seconds / max(self.accepted, 1) * 1e6

    @property
    def generator_cpu(self) -> float:
        """Microseconds of the generator's CPU per message."""
        return self.generator_cpu_seconds / max(self.accepted, 1) * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One target of the project beside the measured figure."""

    what: str
    value: float
    target: float
    at_least: bool
    unit: str = ""
    valid: bool = True

    @property
    def state(self) -> Literal["pass", "short", "invalid"]:
        """Whether the target is met; invalid when a run behind the figure had errors."""
        if not self.valid:
            return "invalid"
        met = self.value >= self.target if self.at_least else self.value <= self.target
        return "pass" if met else "short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that came of one test.  `figures` are single numbers that have no table of their own."""

    key: str
    title: str
    samples: list[Sample] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def peers(self) -> list[str]:
        """Return the servers, in the order in which they ran."""
        return list(dict.fromkeys(sample.peer for sample in self.samples))

    def of(self, peer: str) -> list[Sample]:
        """Return the samples of one server."""
        return [sample for sample in self.samples if sample.peer == peer]

    def median(self, peer: str, measure: Callable[[Sample], float]) -> float:
        """Return the median of a measure over the rounds of one server."""
        return statistics.median(measure(sample) for sample in self.of(peer))

    @property
    def valid(self) -> bool:
        """False when any run had an error."""
        return not self.errors and not any(sample.errors for sample in self.samples)
