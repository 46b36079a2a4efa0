"""What follows from what came back: which state, which suppression, for which lane."""

from __future__ import annotations

import pytest

from postwicket.core.entry import CameBack
from postwicket.core.state import State
from postwicket.message.delivery_status import Fate
from postwicket.message.feedback import Feedback, Report
from postwicket.message.report import Action
from postwicket.returns.changes import bounced, complained, noted, unsubscribed
from tests.returns.letters import ARRIVAL, NOW, letter

GONE = Fate(
    action=Action.FAILED,
    final="bob@example.com",
    status="5.1.1",
    diagnostic="550 5.1.1 no such user",
    remote="mx.example.com",
)
FULL = Fate(action=Action.FAILED, final="bob@example.com", status="5.2.2", diagnostic="552 full")
LATE = Fate(action=Action.DELAYED, final="bob@example.com", status="4.4.1")


def test_an_address_that_does_not_exist_is_not_written_to_for_a_while() -> None:
    change = bounced(letter(), 1, [GONE], suppress_for=3600, arrival=ARRIVAL)
    kept = change.come_back
    assert (kept.state, kept.number, kept.cause) == (State.FAILED, 1, "recipient")
    assert kept.suppression is not None
    assert (kept.suppression.address, kept.suppression.lane) == ("bob@example.com", "")
    assert kept.suppression.expires == ARRIVAL.at + 3600
    assert isinstance(kept.entry, CameBack)
    assert kept.entry.why == "bounced later by mx.example.com"
    assert change.result is not None
    assert change.result.diagnostic == "550 5.1.1 no such user"


def test_a_full_mailbox_fails_and_is_not_suppressed() -> None:
    kept = bounced(letter(), 1, [FULL], suppress_for=3600, arrival=ARRIVAL).come_back
    assert (kept.state, kept.suppression) == (State.FAILED, None)


def test_word_that_anybody_could_have_sent_suppresses_nobody() -> None:
    told = bounced(letter(), 1, [GONE], suppress_for=3600, arrival=ARRIVAL, personal=False)
    assert (told.come_back.state, told.come_back.suppression) == (State.FAILED, None)
    assert told.result is not None
    report = Report(kind=Feedback.ABUSE)
    kept = complained(letter(), 1, report, ARRIVAL, personal=False).come_back
    assert (kept.state, kept.suppression) == (State.COMPLAINED, None)
    assert "nobody is suppressed" in str(kept.entry.data()["why"])


def test_suppressing_can_be_turned_off() -> None:
    kept = bounced(letter(), 1, [GONE], suppress_for=0, arrival=ARRIVAL).come_back
    assert (kept.state, kept.suppression) == (State.FAILED, None)


def test_a_delay_is_only_written_down() -> None:
    change = bounced(letter(), 1, [LATE], suppress_for=3600, arrival=ARRIVAL)
    assert (change.come_back.state, change.result) == (None, None)
    assert change.come_back.entry.data()["what"] == "delay"


def test_nobody_we_know_changes_nothing() -> None:
    two = letter("bob@example.com", "eve@example.com")
    change = bounced(two, 0, [GONE], suppress_for=3600, arrival=ARRIVAL)
    kept = change.come_back
    assert (kept.state, kept.suppression, change.result) == (None, None, None)


@pytest.mark.parametrize(
    ("lane", "kind", "state", "suppressed"),
    [
        ("bulk", Feedback.ABUSE, State.COMPLAINED, ("complaint", "bulk")),
        ("transactional", Feedback.ABUSE, State.COMPLAINED, ("complaint", "")),
        ("transactional", Feedback.FRAUD, State.COMPLAINED, ("complaint", "")),
        ("transactional", Feedback.OPT_OUT, State.UNSUBSCRIBED, ("unsubscribe", "bulk")),
        ("bulk", Feedback.NOT_SPAM, None, None),
        ("bulk", Feedback.AUTH_FAILURE, None, None),
    ],
)
def test_a_complaint(
    lane: str, kind: Feedback, state: State | None, suppressed: tuple[str, str] | None
) -> None:
    kept = complained(letter(lane=lane), 1, Report(kind=kind), ARRIVAL).come_back
    assert kept.state is state
    stopped = kept.suppression
    assert (stopped and (stopped.reason, stopped.lane)) == suppressed
    assert stopped is None or stopped.expires is None


def test_a_complaint_about_nobody_we_know_stops_nobody() -> None:
    two = letter("bob@example.com", "eve@example.com")
    kept = complained(two, 0, Report(kind=Feedback.ABUSE), ARRIVAL).come_back
    assert (kept.state, kept.suppression) == (None, None)


def test_an_unsubscribe_stops_bulk_mail_for_good() -> None:
    kept = unsubscribed(letter(lane="bulk"), 1, "one click", ARRIVAL).come_back
    assert kept.state is State.UNSUBSCRIBED
    assert kept.suppression is not None
    assert (kept.suppression.lane, kept.suppression.expires) == ("bulk", None)


def test_what_changes_nothing_is_noted() -> None:
    entry = noted(None, "report", "for dmarc@example.org", ARRIVAL)
    assert (entry.at, entry.message, entry.what) == (NOW + 60, None, "report")
