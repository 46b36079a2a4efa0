"""What is stored after an attempt, and what there is to tell."""

from __future__ import annotations

from dataclasses import replace

from postwicket.core.address import Address
from postwicket.core.envelope import Demands, Envelope, Notify, Recipient, Sender
from postwicket.core.queue_id import QueueId
from postwicket.core.reply import parse_reply
from postwicket.core.state import State
from postwicket.delivery.conclude import Circumstances, conclude, postpone, put_away
from postwicket.delivery.shipment import Report, Shipment
from postwicket.message.report import Action, who_is_told
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.smtp.client.transcript import Transcript
from postwicket.storage.values import Delivery, Message

WHEN = Circumstances(slot=7, schedule=(60.0,), delay_notice=3600.0, now=1000.0)
BOB = Recipient(Address.parse("bob@example.com"), frozenset({Notify.SUCCESS}))
EVE = Recipient(Address.parse("eve@example.com"))
MESSAGE = Message(
    id=QueueId(1),
    account="a",
    envelope=Envelope(Sender(address=Address.parse("ann@example.org")), (BOB, EVE)),
    size=1,
    received=990.0,
    expires=100_000.0,
)
SHIPMENT = Shipment(
    message=MESSAGE,
    deliveries=(
        Delivery(message=MESSAGE.id, number=1, recipient=BOB),
        Delivery(message=MESSAGE.id, number=2, recipient=EVE, attempts=3, state=State.UNCERTAIN),
    ),
    via="upstream:peer",
)
TAKEN = Answer(Stage.FINAL, parse_reply(["250 2.0.0 taken"]))
LATER = Answer(Stage.RCPT, parse_reply(["450 4.2.1 too quickly"]))
DOWN = Answer(Stage.CONNECT, trouble=Trouble.UNREACHABLE, detail="refused")


def report(*answers: Answer, dsn: bool = False) -> Report:
    return Report(
        answers=answers,
        at=999.0,
        seconds=1.0,
        remote="peer[127.0.0.1]:25",
        transcript=Transcript(999.0),
        lines=tuple(range(len(answers))),
        dsn=dsn,
    )


def test_each_recipient_has_its_own_end() -> None:
    found = conclude(SHIPMENT, report(TAKEN, LATER), WHEN)
    first, second = found.settlements
    assert (first.state, first.due, first.cause) == (State.DELIVERED, None, "")
    assert (second.state, second.due, second.cause) == (State.DEFERRED, 1060.0, "rate")
    assert [s.entry.data()["attempts"] for s in found.settlements if s.entry] == [1, 4]
    assert first.claimed_by == 7
    (told,) = found.results
    assert (told.action, told.status, told.remote) == (Action.RELAYED, "2.0.0", "peer")


def test_a_peer_with_dsn_tells_of_success_itself() -> None:
    assert conclude(SHIPMENT, report(TAKEN, LATER, dsn=True), WHEN).results == ()


def test_a_delay_is_told_once() -> None:
    late = replace(WHEN, now=5000.0)
    found = conclude(SHIPMENT, report(LATER, LATER), late)
    assert [r.action for r in found.results] == [Action.DELAYED] * 2
    assert [r.status for r in found.results] == ["4.2.1"] * 2
    assert all(s.warned for s in found.settlements)
    warned = replace(
        SHIPMENT, deliveries=tuple(replace(d, warned=True) for d in SHIPMENT.deliveries)
    )
    again = conclude(warned, report(LATER, LATER), late)
    assert again.results == ()
    assert all(s.warned for s in again.settlements)


def test_the_end_of_patience_has_its_status() -> None:
    found = conclude(SHIPMENT, report(LATER, DOWN), replace(WHEN, now=100_001.0))
    assert [s.state for s in found.settlements] == [State.EXPIRED] * 2
    assert [r.status for r in found.results] == ["5.4.7"] * 2
    assert "could not be delivered in time" in found.results[1].why


def test_who_waits_for_a_host_spends_no_attempt_and_stays_uncertain() -> None:
    found = postpone(SHIPMENT, DOWN, 1300.0, WHEN)
    assert [s.state for s in found.settlements] == [State.DEFERRED, State.UNCERTAIN]
    assert all(s.attempt is None and s.due == 1300.0 for s in found.settlements)
    fresh, waited = (s.entry for s in found.settlements)
    assert fresh is not None
    assert fresh.data()["attempts"] == 0
    assert waited is None  # it was uncertain before and is still: nothing to tell
    gone = postpone(SHIPMENT, DOWN, 1300.0, replace(WHEN, now=100_000.0))
    assert [s.state for s in gone.settlements] == [State.EXPIRED] * 2


def test_what_is_put_away() -> None:
    found = put_away(replace(SHIPMENT, via="capture"), WHEN)
    assert [s.state for s in found.settlements] == [State.CAPTURED] * 2
    assert put_away(replace(SHIPMENT, via="discard"), WHEN).settlements[0].state is State.DISCARDED
    assert found.results == ()


def test_a_deadline_that_only_tells_brings_us_back_in_time_and_then_tells() -> None:
    by = Demands(deliver_by=1030.0, by_mode="N")
    shipment = replace(SHIPMENT, message=replace(MESSAGE, demands=by))
    found = conclude(shipment, report(LATER, LATER), WHEN)
    assert [s.due for s in found.settlements] == [1030.0, 1030.0]
    assert found.results == ()
    after = conclude(shipment, report(LATER, LATER), replace(WHEN, now=1030.0))
    assert [result.action for result in after.results] == [Action.DELAYED] * 2
    assert [s.due for s in after.settlements] == [1090.0, 1090.0]


def test_held_mail_is_not_late_while_it_is_held() -> None:
    held = Demands(not_before=90_000.0)
    shipment = replace(SHIPMENT, message=replace(MESSAGE, demands=held))
    assert conclude(shipment, report(LATER, LATER), replace(WHEN, now=90_001.0)).results == ()
    late = conclude(shipment, report(LATER, LATER), replace(WHEN, now=93_600.0))
    assert len(late.results) == 2


def test_a_trace_is_told_of_although_success_was_not_asked_for() -> None:
    traced = replace(MESSAGE, demands=Demands(deliver_by=9e9, by_mode="N", by_trace=True))
    found = conclude(replace(SHIPMENT, message=traced), report(LATER, TAKEN, dsn=True), WHEN)
    (told,) = found.results
    assert (told.action, told.traced) == (Action.RELAYED, True)
    assert who_is_told(Address.parse("ann@example.org"), [told]) == (told,)
