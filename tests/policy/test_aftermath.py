"""What came of mail that had been taken: hard or soft, gone or only refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.cause import Cause
from postwicket.core.reply import Reply
from postwicket.core.state import State
from postwicket.message.delivery_status import Fate
from postwicket.message.report import Action
from postwicket.policy.aftermath import nobody_there, reply_of, weigh


def failed(status: str, diagnostic: str = "") -> Fate:
    return Fate(action=Action.FAILED, final="b@c.example", status=status, diagnostic=diagnostic)


@pytest.mark.parametrize(
    ("status", "diagnostic", "cause", "gone"),
    [
        ("5.1.1", "550 5.1.1 User unknown", Cause.RECIPIENT, True),
        ("5.1.1", "", Cause.RECIPIENT, True),
        ("5.0.0", "550 User unknown in virtual mailbox table", Cause.RECIPIENT, True),
        ("5.0.0", "550 Requested action not taken", Cause.RECIPIENT, False),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", Cause.RECIPIENT, True),
        ("5.2.1", "550 5.2.1 The mailbox is disabled", Cause.RECIPIENT, True),
        ("5.2.2", "552 5.2.2 Mailbox full", Cause.RECIPIENT, False),
        ("5.7.1", "550 5.7.1 User unknown", Cause.POLICY, False),
        ("5.7.1", "554 5.7.1 listed by a block list", Cause.REPUTATION, False),
        ("5.2.1", "550 5.2.1 is receiving mail at a rate that", Cause.RATE, False),
        ("5.4.7", "", Cause.NETWORK, False),
        ("4.4.7", "450 4.1.1 greylisted", Cause.RECIPIENT, False),
        ("5.6.0", "554 5.6.0 malformed", Cause.CONTENT, False),
    ],
)
def test_a_failure(status: str, diagnostic: str, cause: Cause, gone: bool) -> None:
    aftermath, _ = weigh([failed(status, diagnostic)])
    assert (aftermath.state, aftermath.cause, aftermath.gone) == (State.FAILED, cause, gone)
    assert aftermath.what == "bounce"


def test_a_delay_changes_nothing() -> None:
    late = Fate(action=Action.DELAYED, final="b@c.example", status="4.4.1")
    aftermath, _ = weigh([late])
    assert (aftermath.what, aftermath.state, aftermath.gone) == ("delay", None, False)


def test_one_copy_that_arrived_is_enough() -> None:
    arrived = Fate(action=Action.DELIVERED, final="d@c.example", status="2.0.0")
    aftermath, counts = weigh([failed("5.1.1"), arrived])
    assert (aftermath.what, aftermath.state, counts) == ("success", None, arrived)


def test_a_reply_keeps_its_words() -> None:
    reply = reply_of(failed("5.1.1", "550-5.1.1 No such person, says the list"))
    assert reply == Reply(550, (1, 1), "No such person, says the list")


@given(st.sampled_from(Action), st.text(max_size=30), st.text(max_size=60))
def test_any_words_are_weighed(action: Action, status: str, diagnostic: str) -> None:
    fate = Fate(action=action, final="b@c.example", status=status, diagnostic=diagnostic)
    aftermath, _ = weigh([fate])
    assert str(aftermath.reply)


@given(st.integers(200, 499), st.sampled_from(Cause))
def test_what_is_not_permanent_is_not_gone(code: int, cause: Cause) -> None:
    assert not nobody_there(Reply(code, (1, 1), "no such user"), cause)
