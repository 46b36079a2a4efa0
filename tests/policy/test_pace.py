"""The pace of a site: never above its rule, never below one, and monotone in what happens."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from postwicket.policy.pace import (
    FIRST,
    ONE_OBJECTION,
    Bucket,
    Flow,
    Pace,
    Rule,
    after_objection,
    after_success,
    begin,
)

RULES = st.builds(
    Rule,
    connections=st.integers(1, 500),
    per_minute=st.none() | st.floats(1, 10_000),
    slow_start=st.booleans(),
)
# "ok": a success with every connection in use; a number: seconds pass, then an objection.
STORY = st.lists(st.just("ok") | st.floats(0, 600), max_size=200)


def told(rule: Rule, story: list[object]) -> tuple[Pace, float]:
    pace, now = begin(rule), 1000.0
    for happened in story:
        if isinstance(happened, float):
            now += happened
            pace = after_objection(pace, now=now, flow=100.0)
        else:
            pace = after_success(pace, rule, in_use=pace.connections)
    return pace, now


@given(RULES, STORY)
def test_never_above_the_rule_and_never_below_one(rule: Rule, story: list[object]) -> None:
    pace, now = told(rule, story)
    assert 1 <= pace.connections <= rule.connections
    limit = pace.per_minute(rule, now)
    if rule.per_minute is not None:
        assert limit is not None
        assert 0 < limit <= rule.per_minute


@given(RULES, STORY)
def test_a_success_never_slows_and_an_objection_never_speeds(
    rule: Rule, story: list[object]
) -> None:
    pace, now = told(rule, story)
    assert after_success(pace, rule, in_use=rule.connections).width >= pace.width
    slower = after_objection(pace, now=now + 2 * ONE_OBJECTION, flow=30.0)
    assert slower.width <= pace.width
    assert slower.width == max(1.0, pace.width / 2)


@given(st.floats(0, 100_000), st.floats(0, 100_000))
def test_a_learnt_limit_only_grows_while_it_is_quiet(first: float, more: float) -> None:
    rule = Rule()
    pace = after_objection(begin(rule), now=0.0, flow=60.0)
    early, late = pace.per_minute(rule, first), pace.per_minute(rule, first + more)
    assert late is None or (early is not None and late >= early)


def test_it_doubles_in_a_round_until_the_site_objects() -> None:
    rule = Rule(connections=100)
    pace = begin(rule)
    assert pace.connections == FIRST
    for _ in range(2):
        for _ in range(pace.connections):
            pace = after_success(pace, rule, in_use=pace.connections)
    assert pace.connections == 8
    pace = after_objection(pace, now=0.0)
    assert pace.connections == 4
    for _ in range(4):
        pace = after_success(pace, rule, in_use=pace.connections)
    assert 4 < pace.width < 5.01


def test_what_is_not_used_does_not_grow() -> None:
    rule = Rule(connections=100)
    pace = replace(begin(rule), width=10.0)
    assert after_success(pace, rule, in_use=3) == pace


def test_many_voices_are_one_objection() -> None:
    pace = Pace(width=16.0, threshold=16.0)
    once = after_objection(pace, now=100.0)
    assert after_objection(once, now=101.0) == once
    assert after_objection(once, now=106.0).connections == 4


def test_what_the_peer_took_is_the_measure() -> None:
    rule = Rule()
    pace = after_objection(begin(rule), now=0.0, flow=120.0)
    assert pace.per_minute(rule, 0.0) == 60.0
    minute = pace.per_minute(rule, 60.0)
    assert minute is not None
    assert abs(minute - 66.0) < 1e-6
    assert pace.per_minute(rule, 86_400.0) is None
    assert after_objection(pace, now=60.0).learnt == 60.0


def test_workers_share_a_rule() -> None:
    rule = Rule(connections=5, per_minute=30.0).share(2)
    assert (rule.connections, rule.per_minute) == (3, 15.0)
    assert Rule(connections=1, per_minute=1.0).share(8) == Rule(connections=1, per_minute=1.0)


@given(
    st.floats(1, 6000),
    st.lists(st.floats(0, 30), min_size=1, max_size=300),
)
def test_a_bucket_gives_no_more_than_its_rate(per_minute: float, gaps: list[float]) -> None:
    bucket, now, taken, start = Bucket(), 1000.0, 0, 1000.0
    for gap in gaps:
        now += gap
        if bucket.wait(per_minute, now) == 0:
            bucket = bucket.take(per_minute, now)
            taken += 1
        else:
            # Waiting as long as it says is enough, and never too long.
            there = now + bucket.wait(per_minute, now)
            assert bucket.wait(per_minute, there + 1e-6) < 1e-3
    burst = max(1.0, per_minute / 60)
    assert taken <= burst + (now - start) * per_minute / 60 + 1e-6


def test_flow_is_what_passed_lately() -> None:
    flow = Flow()
    assert flow.per_second(5.0) == 0.0
    for second in range(100, 400):
        flow = flow.add(7, float(second))
    assert 6.5 < flow.per_second(400.0) < 7.6
    assert flow.per_second(520.0) < 1.0
    assert flow.stale(520.0)
    # After a long silence it is measured anew.
    flow = flow.add(50, 520.0).add(50, 521.0)
    assert 40 < flow.per_second(522.0) < 60
