"""From answers to what is stored: settlements, and results that somebody may want to hear of.

Pure: time and chance come in as arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.entry import Settled
from postwicket.core.envelope import Notify
from postwicket.core.state import State
from postwicket.message.report import Action, Result
from postwicket.policy.cause import cause_of
from postwicket.policy.lane import BULK
from postwicket.policy.outcome import Outcome, Patience, judge
from postwicket.policy.reading import Catalogue
from postwicket.policy.scope import Scope
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.storage.values import Attempt, Delivery, Message, Settlement, Suppression

from .route import CAPTURE, DIRECT
from .shipment import Report, Shipment

LONGEST_WHY: Final = 1500  # characters
LONGEST_REPLY: Final = 1000  # characters of a reply that are kept beside the transcript
_LATE: Final = frozenset({State.DEFERRED, State.UNCERTAIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a conclusion depends on besides the answers.

    `jitter` is from -1 to 1; without a catalogue, words mean nothing beyond their code.
    """

    slot: int
    schedule: Sequence[float]
    delay_notice: float
    now: float
    jitter: float = 0.0
    catalogue: Catalogue | None = None


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What to store, and what there is to tell (`who_is_told` decides to whom)."""

    settlements: tuple[Settlement, ...]
    results: tuple[Result, ...] = ()


def conclude(shipment: Shipment, report: Report, when: Circumstances) -> Conclusion:
    """Return what follows from an attempt."""
    settlements = []
    results = []
    message = shipment.message
    for index, delivery in enumerate(shipment.deliveries):
        answer = report.answers[index]
        patience = Patience(
            attempts=delivery.attempts,
            now=when.now,
            expires=message.expires,
            schedule=when.schedule,
            jitter=when.jitter,
            doubt=shipment.doubt,
            direct=shipment.via == DIRECT,
        )
        reading = when.catalogue.read(answer, report.remote) if when.catalogue else None
        outcome = _reminded(judge(answer, patience, reading), delivery, message, when)
        said = str(answer)[:LONGEST_REPLY]
        attempt = Attempt(
            at=report.at,
            seconds=report.seconds,
            route=shipment.via,
            remote=report.remote,
            tls=report.tls,
            trust=report.trust,
            reply=said,
            transcript=report.transcript.render(report.lines[index]),
        )
        result = _result(shipment, delivery, answer, outcome, when, report)
        if result is not None:
            results.append(result)
        settlements.append(
            _settlement(shipment, delivery, outcome, said, when, attempt, warned=_late(result))
        )
    return Conclusion(tuple(settlements), tuple(results))


def postpone(shipment: Shipment, answer: Answer, until: float, when: Circumstances) -> Conclusion:
    """Return what follows when the host rests: wait with it, and no attempt is spent."""
    message = shipment.message
    settlements = []
    results = []
    said = str(answer)[:LONGEST_REPLY]
    for delivery in shipment.deliveries:
        state = State.DEFERRED if delivery.state is State.QUEUED else delivery.state
        due: float | None = min(until + max(0.0, when.jitter), message.expires)
        if when.now >= message.expires:
            state, due = State.EXPIRED, None
        outcome = Outcome(
            state=state,
            scope=Scope.HOST,
            due=due,
            cause=cause_of(answer),
            why=f"not tried: {shipment.place or shipment.via} lets nobody in now: {said}; one "
            "delivery at a time finds out whether it does again, and then all go",
        )
        result = _result(shipment, delivery, answer, outcome, when, None)
        if result is not None:
            results.append(result)
        settlements.append(
            _settlement(shipment, delivery, outcome, said, when, None, warned=_late(result))
        )
    return Conclusion(tuple(settlements), tuple(results))


def set_back(shipment: Shipment, why: str, due: float, when: Circumstances) -> Conclusion:
    """Return what follows when it is not their turn: back to the queue, no attempt is spent.

    What should have arrived by now has no turn any more: it expires.
    """
    message = shipment.message
    if when.now >= message.expires:
        return postpone(shipment, Answer(Stage.ROUTE, None, Trouble.UNTRIED, why), due, when)
    settlements = []
    for delivery in shipment.deliveries:
        outcome = Outcome(
            state=delivery.state,
            scope=Scope.HOST,
            due=min(due, message.expires),
            cause=Cause.RATE,
            why=why,
        )
        settlements.append(_settlement(shipment, delivery, outcome, "", when, None, warned=False))
    return Conclusion(tuple(settlements))


def put_away(shipment: Shipment, when: Circumstances) -> Conclusion:
    """Return what follows from the routes capture and discard.  Nothing has left: no notices."""
    state = State.CAPTURED if shipment.via == CAPTURE else State.DISCARDED
    outcome = Outcome(state=state, scope=Scope.MESSAGE)
    return Conclusion(
        tuple(
            [
                _settlement(shipment, delivery, outcome, "", when, None, warned=False)
                for delivery in shipment.deliveries
            ]
        )
    )


def stop(shipment: Shipment, when: Circumstances) -> Conclusion:
    """Return what follows where the recipients are not to be written to, all in one notice.

    Whoever sends bulk mail hears of it when they asked for notices: the same list comes again
    with every issue.
    """
    settlements = []
    results = []
    for delivery, suppression in zip(shipment.deliveries, shipment.stopped, strict=True):
        why = _why_stopped(suppression)
        cause = Cause.RECIPIENT if suppression.reason == "bounce" else Cause.POLICY
        outcome = Outcome(
            state=State.SUPPRESSED, scope=Scope.RECIPIENT, cause=cause, why=f"not sent: {why}"
        )
        settlements.append(
            _settlement(shipment, delivery, outcome, why[:LONGEST_REPLY], when, None, warned=False)
        )
        if shipment.message.lane != BULK or Notify.FAILURE in delivery.recipient.notify:
            status = "5.1.1" if suppression.reason == "bounce" else "5.7.1"
            results.append(
                Result(
                    recipient=delivery.recipient,
                    action=Action.FAILED,
                    status=status,
                    why=f"It was not sent: {why}",
                )
            )
    return Conclusion(tuple(settlements), tuple(results))


def _why_stopped(suppression: Suppression) -> str:
    """Say in words why an address is not written to, and until when."""
    day = datetime.fromtimestamp(suppression.created, UTC).strftime("%Y-%m-%d")
    reason = {
        "bounce": f"the address did not exist on {day}",
        "complaint": f"the recipient complained on {day}",
        "unsubscribe": f"the recipient unsubscribed on {day}",
    }.get(suppression.reason, f"the address was put on the suppression list on {day}")
    if suppression.expires is not None:
        until = datetime.fromtimestamp(suppression.expires, UTC).strftime("%Y-%m-%d")
        reason = f"{reason}, and is not written to until {until}"
    return f"{reason} ({suppression.detail})" if suppression.detail else reason


def _settlement(
    shipment: Shipment,
    delivery: Delivery,
    outcome: Outcome,
    said: str,
    when: Circumstances,
    attempt: Attempt | None,
    *,
    warned: bool,
) -> Settlement:
    cause = outcome.cause.value if outcome.cause else ""
    entry = None
    # A delivery that only waits on, among thousands behind a dead host, has nothing new to tell.
    if attempt is not None or outcome.state is not delivery.state:
        entry = Settled(
            at=when.now,
            message=delivery.message,
            delivery=delivery.number,
            recipient=str(delivery.recipient.address),
            state=outcome.state.value,
            route=shipment.via,
            attempts=delivery.attempts + (attempt is not None),
            remote=attempt.remote if attempt else "",
            tls=attempt.tls if attempt else "",
            reply=said,
            cause=cause,
            why=outcome.why,
            reading=outcome.reading.id if outcome.reading else "",
            next_attempt=outcome.due,
            seconds=round(attempt.seconds, 6) if attempt else None,
        )
    return Settlement(
        delivery=delivery,
        claimed_by=when.slot,
        state=outcome.state,
        due=outcome.due,
        attempt=attempt,
        entry=entry,
        route=shipment.via,
        cause=cause,
        reply=said,
        warned=warned or delivery.warned,
        site=shipment.site,
        why="" if outcome.state.final else outcome.why[:LONGEST_WHY],
    )


def _result(
    shipment: Shipment,
    delivery: Delivery,
    answer: Answer,
    outcome: Outcome,
    when: Circumstances,
    report: Report | None,
) -> Result | None:
    """Return what the sender might want to hear, or None."""
    message = shipment.message
    traced = message.demands.by_trace and outcome.state is State.DELIVERED
    action: Action | None = None
    if outcome.state is State.DELIVERED:
        # RFC 3461, section 5.2.2: a peer without DSN will not tell of success, so we say that
        # the message was handed over to it.
        wanted = Notify.SUCCESS in delivery.recipient.notify
        relayed = report is not None and (traced or (wanted and not report.dsn))
        action = Action.RELAYED if relayed else None
    elif outcome.state in {State.FAILED, State.EXPIRED}:
        action = Action.FAILED
    elif outcome.state in _LATE and not delivery.warned:
        late = when.now >= _notice_due(message, when)
        action = Action.DELAYED if late else None
    if action is None:
        return None
    reply = answer.reply
    return Result(
        recipient=delivery.recipient,
        action=action,
        status=_status(answer, outcome),
        diagnostic=str(reply) if reply is not None and not answer.ours else "",
        remote=report.remote.partition("[")[0].partition(":")[0] if report else "",
        why=_why(answer, outcome),
        last_attempt=report.at if report else None,
        retry_until=message.expires,
        traced=traced,
    )


def _status(answer: Answer, outcome: Outcome) -> str:
    """Return the enhanced status for the notice (RFC 3463), made up where none was given."""
    kind = {State.DELIVERED: "2", State.FAILED: "5", State.EXPIRED: "5"}.get(outcome.state, "4")
    if outcome.state is State.EXPIRED:
        return "5.4.7"
    reply = answer.reply
    if reply is not None and reply.status is not None:
        return f"{kind}.{reply.status[0]}.{reply.status[1]}"
    if reply is None:
        return f"{kind}.4.1"  # no answer from host
    return f"{kind}.0.0"


def _why(answer: Answer, outcome: Outcome) -> str:
    if outcome.state is State.EXPIRED:
        return f"It could not be delivered in time.  The last trouble: {answer}"
    if outcome.reading is not None:
        return f"{outcome.reading.meaning} {outcome.reading.fix}"
    return "" if answer.reply is not None and not answer.ours else str(answer)


def _reminded(
    outcome: Outcome, delivery: Delivery, message: Message, when: Circumstances
) -> Outcome:
    """Come back no later than at a deadline whose passing the sender wants to hear of."""
    by = message.demands.deliver_by
    if by is None or message.demands.by_mode != "N" or delivery.warned or outcome.due is None:
        return outcome
    return replace(outcome, due=by) if when.now < by < outcome.due else outcome


def _notice_due(message: Message, when: Circumstances) -> float:
    """Return from when on the sender is told that mail is late.

    A held message is not late while it is held; DELIVERBY with N names the time (RFC 2852).
    """
    demands = message.demands
    due = max(message.received, demands.not_before) + when.delay_notice
    by = demands.deliver_by
    return min(due, by) if by is not None and demands.by_mode == "N" else due


def _late(result: Result | None) -> bool:
    return result is not None and result.action is Action.DELAYED
