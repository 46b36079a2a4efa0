"""Verdicts: met, missed, or worth nothing because a run had errors."""

from __future__ import annotations

from bench.cases import OURS, POSTFIX, Target
from bench.measure import Memory
from bench.results import Outcome, Sample, Verdict


def sample(peer: str, rate: int, errors: dict[str, int] | None = None) -> Sample:
    return Sample(
        peer=peer,
        accepted=rate,
        seconds=1.0,
        cpu_seconds=rate / 1000,
        generator_cpu_seconds=0.0,
        memory=Memory(),
        errors=errors or {},
    )


def outcome(*samples: Sample) -> Outcome:
    return Outcome(key="case", title="Case", samples=list(samples))


def judged(found: Outcome, limit: float, *, at_least: bool = True) -> Verdict:
    verdict = Target("messages/s", POSTFIX, limit, at_least=at_least).judge(found)
    assert verdict is not None
    return verdict


def test_medians_are_compared() -> None:
    found = outcome(
        *(sample(OURS, rate) for rate in (10, 300, 9000)),
        *(sample(POSTFIX, rate) for rate in (1, 100, 101)),
    )
    assert judged(found, 3.0).value == 3.0
    assert judged(found, 3.0).state == "pass"
    assert judged(found, 3.1).state == "short"
    assert judged(found, 3.1, at_least=False).state == "pass"


def test_an_error_makes_the_verdict_invalid_however_good_it_is() -> None:
    found = outcome(sample(OURS, 9000), sample(POSTFIX, 1, {"451 4.3.1": 1}))
    assert judged(found, 2.5).state == "invalid"


def test_without_the_other_server_there_is_no_verdict() -> None:
    assert Target("messages/s", POSTFIX, 2.5).judge(outcome(sample(OURS, 1))) is None


def test_a_sample_knows_rate_and_cost() -> None:
    one = sample(OURS, 500)
    assert (one.rate, round(one.cpu)) == (500.0, 1000)
