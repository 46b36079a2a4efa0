"""Times that peers announce, and words that only look like one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.policy.announced import LONGEST, SHORTEST, announced_pause


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Greylisted for 300 seconds (see http://example.com)", 300),
        ("Greylisted for 5 minutes", 300),
        ("Greylisting enabled, try again in 3 minutes", 180),
        ("Greylisting in action, please come back in 00:04:59", 299),
        ("Try again in 10 minutes", 600),
        ("please try again after 15 min", 900),
        ("Please retry in 1 hour", 3600),
        ("you must wait at least 20 minutes before", 1200),
        ("Greylisted,\nplease try\nagain in 90s", 90),
        ("delayed for 240 s", 240),
        ("try again in 5 seconds", SHORTEST),
        ("try again in 0 minutes", SHORTEST),
        ("come back in 9 hours", LONGEST),
        ("try again in 999999 hours", LONGEST),
        ("try again later", None),
        ("try again later: 100 messages in 60 minutes are the limit", None),
        ("too many messages in 60 seconds, try again", None),
        ("try again in 5", None),
        ("see https://example.com/again/5min", 300),
        ("", None),
    ],
)
def test_what_is_announced(text: str, seconds: float | None) -> None:
    assert announced_pause(text) == seconds


@given(st.text())
def test_whatever_is_said_stays_within_bounds(text: str) -> None:
    pause = announced_pause(text)
    assert pause is None or SHORTEST <= pause <= LONGEST


def test_long_words_take_no_time() -> None:
    began = time.perf_counter()
    for words in ("again " * 20_000, "again in 1" * 10_000, "wait" + " " * 100_000 + "5 minutes"):
        announced_pause(words)
    assert time.perf_counter() - began < 0.2
