"""Why a delivery waits, in words, and what would change it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postwicket.cli.waiting import MOST, explanations, facts
from postwicket.core.state import State
from postwicket.storage.values import QueueRow

AT = 1_800_000_000.0
PACED = QueueRow(
    id="0123456789ABC-1",
    message="0123456789ABC",
    sender="ann@example.org",
    recipient="bob@example.com",
    state=State.QUEUED,
    attempts=0,
    next_attempt=AT + 180,
    route="direct",
    cause="rate",
    reply="",
    sending=False,
    site="google",
    why="site google: 10 connections at once; about 1,200 deliveries are before this one",
)
REFUSED = replace(
    PACED,
    state=State.DEFERRED,
    attempts=2,
    cause="policy",
    site="mx.example.com",
    reply="450 4.7.1 Greylisted",
    why="450 4.7.1 Greylisted; the server knows nobody on first sight. It is tried again.",
)


def words(row: QueueRow) -> dict[str, str]:
    return dict(facts(row, AT))


def test_who_waits_for_a_turn_hears_of_the_site_s_limit() -> None:
    said = words(PACED)
    assert "then its turn comes" in said["until"]
    assert "at most 10 connections with 50 messages each" in said["site"]
    assert said["because"] == PACED.why
    assert "[[destination]]" in said["change it"]


def test_who_waits_for_another_attempt_hears_what_was_said() -> None:
    said = words(REFUSED)
    assert "tried again" in said["until"]
    assert said["because"] == REFUSED.why
    assert "they said" not in said  # the reason has it already
    assert said["change it"] == "postwicket queue retry 0123456789ABC-1 tries it now"
    other = words(replace(REFUSED, why="MTA-STS forbids mx.example.com"))
    assert other["they said"] == "450 4.7.1 Greylisted"


@pytest.mark.parametrize(
    ("row", "key", "text"),
    [
        (replace(PACED, state=State.HELD, why="by hand"), "change it", "queue release"),
        (replace(PACED, sending=True), "now", "being sent"),
        (replace(PACED, lane="bulk"), "lane", "transactional mail goes first"),
        (replace(PACED, why="", cause="", site="", next_attempt=AT), "because", "no worker"),
        (replace(PACED, why="", cause="", site=""), "because", "FUTURERELEASE"),
        (replace(PACED, why="", cause="", site=""), "until", "then it leaves"),
        (replace(PACED, why="", cause="", site=""), "change it", "queue cancel takes it back"),
        (replace(PACED, site="destination *.big.example"), "site", "limits of [[destination]]"),
        (replace(PACED, site="qq"), "site", "60 messages a minute"),
    ],
)
def test_each_state_has_its_words(row: QueueRow, key: str, text: str) -> None:
    assert text in words(row)[key]


def test_only_those_that_wait_are_explained_and_not_too_many() -> None:
    done = replace(PACED, state=State.DELIVERED)
    assert list(explanations([done], AT)) == []
    lines = list(explanations([PACED] * (MOST + 5), AT))
    assert lines[0] == "why 0123456789ABC-1 waits (bob@example.com)"
    assert lines[-1].startswith("5 more wait")
