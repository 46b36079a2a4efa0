"""Every rule about connections, with a literal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postwicket.core.cause import Cause
from postwicket.delivery.plan import LONGEST_REST, WELL, Health, Step, View, plan

NOTHING = View(limit=2, health=WELL, now=100.0)
RESTING = Health(failures=1, until=160.0, eager=101.0)


@pytest.mark.parametrize(
    ("view", "step"),
    [
        (NOTHING, Step.OPEN),
        (replace(NOTHING, idle=1), Step.REUSE),
        (replace(NOTHING, idle=1, worn=True), Step.RETIRE),
        (replace(NOTHING, here=1, used=1), Step.OPEN),
        (replace(NOTHING, here=1, used=1, met=False), Step.PARK),
        (replace(NOTHING, used=1, met=False), Step.OPEN),
        (replace(NOTHING, used=2), Step.WAIT),
        (replace(NOTHING, idle=1, pause=0.5), Step.PAUSE),
        (replace(NOTHING, used=1, idle=1), Step.REUSE),
        (replace(NOTHING, used=1, spare=1), Step.MAKE_ROOM),
        (replace(NOTHING, spare=1), Step.OPEN),
        (replace(NOTHING, health=RESTING), Step.POSTPONE),
        (replace(NOTHING, health=RESTING, idle=1), Step.POSTPONE),
        (replace(NOTHING, health=RESTING, now=102.0), Step.OPEN),
        (replace(NOTHING, health=RESTING, now=102.0, idle=1), Step.REUSE),
        (replace(NOTHING, health=RESTING, now=102.0, here=1, used=1), Step.POSTPONE),
        (replace(NOTHING, health=RESTING, now=161.0, here=1, used=1), Step.PARK),
        (replace(NOTHING, health=RESTING, now=161.0), Step.OPEN),
    ],
)
def test_steps(view: View, step: Step) -> None:
    assert plan(view) is step


def test_rest_grows_with_the_schedule_and_has_a_limit() -> None:
    health, rests = WELL, []
    for _ in range(4):
        health = health.failed(Cause.NETWORK, (60.0, 120.0, 9000.0), 0.0)
        rests.append(health.until)
    assert rests == [60.0, 120.0, LONGEST_REST, LONGEST_REST]
    assert health.eager == 1.0


def test_a_refused_sign_in_is_not_repeated_quickly() -> None:
    assert WELL.failed(Cause.AUTHENTICATION, (60.0,), 0.0).eager == 30.0


def test_a_host_that_says_how_long_is_left_alone_for_that_long() -> None:
    health = WELL.failed(Cause.RATE, (60.0,), 0.0, pause=3600.0)
    assert (health.until, health.eager) == (3600.0, LONGEST_REST)
    assert WELL.failed(Cause.NETWORK, (60.0,), 0.0).eager == 1.0
