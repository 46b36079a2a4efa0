"""A place that objects gets less, one that falls silent is not proven any more."""

from __future__ import annotations

from postwicket.delivery.pacing import Pacing
from postwicket.policy.pace import Rule


def test_it_grows_while_it_is_busy_and_yields_to_objections() -> None:
    pacing = Pacing(Rule(connections=16))
    assert pacing.connections(0.0) == 2
    for _ in range(6):
        pacing.took(1, 100.0, in_use=16)
    assert pacing.connections(100.0) == 8
    pacing.objected(101.0, to_messages=False)
    assert pacing.connections(101.0) == 4
    assert pacing.wait(101.0) == 0.0


def test_a_crowd_is_stayed_below_for_a_while() -> None:
    pacing = Pacing(Rule(connections=10, slow_start=False))
    pacing.crowded(3, 100.0)
    assert pacing.connections(101.0) == 3
    assert pacing.connections(161.0) == 10
    pacing.crowded(0, 200.0)
    assert pacing.connections(201.0) == 1


def test_messages_a_minute_are_learnt_and_kept_to() -> None:
    pacing = Pacing(Rule(connections=10, slow_start=False))
    for second in range(60):
        pacing.took(2, 1000.0 + second, in_use=1)
    pacing.objected(1060.0, to_messages=True)
    gone, now = 0, 1060.0
    while now < 1120.0:
        if pacing.wait(now) == 0.0:
            pacing.begun(now)
            gone += 1
        now += 0.25
    assert 50 <= gone <= 75  # about half of the 120 that it took
    assert "messages a minute" in pacing.words(1060.0)


def test_words() -> None:
    pacing = Pacing(Rule(connections=20, per_minute=60))
    assert pacing.words(0.0) == "2 connections at once (at most 20), 60 messages a minute"
    assert pacing.limit(0.0) == 1.0
