"""From what came back to what is stored: the new state, the suppression, the journal's entry.

Pure.  A hard bounce stops mail of both lanes for a while; a complaint about bulk mail and an
unsubscribe stop bulk mail for good, and leave receipts and passwords alone; a complaint about
transactional mail stops everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postwicket.core.entry import CameBack
from postwicket.core.envelope import Recipient
from postwicket.core.state import State
from postwicket.message.delivery_status import Fate
from postwicket.message.feedback import Feedback, Report
from postwicket.message.report import Action, Result
from postwicket.policy.aftermath import Aftermath, weigh
from postwicket.policy.reading import Catalogue
from postwicket.storage.values import ComeBack, Message, Suppression

from .matching import recipient_of

BULK: Final = "bulk"
LONGEST_REPLY: Final = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How something came back: when, who brought it, through which listener."""

    at: float
    peer: str
    listener: str


@dataclass(frozen=True, slots=True)
class Change:
    """What to store about one delivery, and what its sender might want to hear."""

    come_back: ComeBack
    result: Result | None = None


def bounced(
    message: Message,
    number: int,
    fates: Sequence[Fate],
    *,
    suppress_for: float,
    arrival: Arrival,
    personal: bool = True,
    catalogue: Catalogue | None = None,
) -> Change:
    """Return what follows from the notices about one delivery; number 0 is nobody we know.

    `suppress_for` is how long an address that does not exist is not written to, in seconds; 0
    is off.  Where it is not `personal` (`matching.is_personal`), nobody is suppressed.
    """
    aftermath, fate = weigh(fates, catalogue)
    recipient = recipient_of(message, number)
    reply = str(aftermath.reply)[:LONGEST_REPLY]
    why = _told_by(aftermath.what, fate.remote or arrival.peer)
    if aftermath.meaning:
        why += f": {aftermath.meaning}"
    if recipient is None:
        why += f", for {fate.final or fate.original or 'nobody'}: none of the recipients"
    suppression = None
    if aftermath.gone and personal and suppress_for > 0:
        ends = arrival.at + suppress_for
        suppression = _suppression(
            message, number, "bounce", detail=reply, now=arrival.at, expires=ends
        )
    change = _change(
        message,
        number,
        aftermath.state if recipient is not None else None,
        what=aftermath.what,
        why=why,
        arrival=arrival,
        cause=aftermath.cause.value if aftermath.cause else "",
        reply=reply,
        remote=fate.remote,
        suppression=suppression,
    )
    if recipient is None or fate.action is Action.DELAYED:
        return change
    return Change(change.come_back, _result(recipient, aftermath, fate, reply, why))


def _result(
    recipient: Recipient, aftermath: Aftermath, fate: Fate, reply: str, why: str
) -> Result:
    """Return what the sender hears: the server's own words, or ours where there are none."""
    return Result(
        recipient=recipient,
        action=fate.action,
        status=aftermath.reply.enhanced,
        diagnostic=reply if fate.diagnostic else "",
        remote=fate.remote,
        why="" if fate.diagnostic else why,
    )


def _told_by(what: str, who: str) -> str:
    if what == "bounce":
        return f"bounced later by {who}"
    return f"{who} has it and is late" if what == "delay" else f"{who} tells of its delivery"


def complained(
    message: Message, number: int, report: Report, arrival: Arrival, *, personal: bool = True
) -> Change:
    """Return what follows from a feedback report; number 0 is nobody we know.

    Where it is not `personal` (`matching.is_personal`), nobody is suppressed.
    """
    recipient = recipient_of(message, number)
    state, reason = None, ""
    if recipient is not None and report.kind.is_complaint:
        state, reason = State.COMPLAINED, "complaint"
    elif recipient is not None and report.kind is Feedback.OPT_OUT:
        state, reason = State.UNSUBSCRIBED, "unsubscribe"
    lane = BULK if message.lane == BULK or reason == "unsubscribe" else ""
    why = f"a report of {report.kind.value}" + (f" by {report.agent}" if report.agent else "")
    if recipient is None:
        why += "; whom it is about cannot be told"
    if reason and not personal:
        why += "; no seal tells that it comes from the recipient: nobody is suppressed"
    stopped = (
        _suppression(message, number, reason, lane=lane, detail=why, now=arrival.at)
        if reason and personal
        else None
    )
    return _change(
        message, number, state, what="complaint", why=why, arrival=arrival, suppression=stopped
    )


def unsubscribed(message: Message, number: int, how: str, arrival: Arrival) -> Change:
    """Return what follows from an unsubscribe; `how` says which way it came."""
    known = recipient_of(message, number) is not None
    return _change(
        message,
        number,
        State.UNSUBSCRIBED if known else None,
        what="unsubscribe",
        why=how,
        arrival=arrival,
        suppression=_suppression(
            message, number, "unsubscribe", lane=BULK, detail=how, now=arrival.at
        ),
    )


def noted(message: Message | None, what: str, why: str, arrival: Arrival) -> CameBack:
    """Return the entry for what changes nothing."""
    return CameBack(
        at=arrival.at,
        message=message.id if message else None,
        what=what,
        why=why,
        peer=arrival.peer,
        listener=arrival.listener,
    )


def _suppression(
    message: Message,
    number: int,
    reason: str,
    *,
    lane: str = "",
    detail: str,
    now: float,
    expires: float | None = None,
) -> Suppression | None:
    recipient = recipient_of(message, number)
    if recipient is None:
        return None
    return Suppression(
        address=recipient.address.canonical,
        lane=lane,
        reason=reason,
        detail=detail[:LONGEST_REPLY],
        message=message.id,
        created=now,
        expires=expires,
    )


def _change(  # noqa: PLR0913 (what is stored about a delivery, all in one place)
    message: Message,
    number: int,
    state: State | None,
    *,
    what: str,
    why: str,
    arrival: Arrival,
    cause: str = "",
    reply: str = "",
    remote: str = "",
    suppression: Suppression | None = None,
) -> Change:
    recipient = recipient_of(message, number)
    entry = CameBack(
        at=arrival.at,
        message=message.id,
        what=what,
        delivery=number,
        recipient=str(recipient.address) if recipient else "",
        state=state.value if state else "",
        cause=cause,
        reply=reply,
        remote=remote,
        why=why,
        peer=arrival.peer,
        listener=arrival.listener,
    )
    return Change(
        ComeBack(
            message=message.id,
            recipient=recipient.address if recipient else None,
            number=number or None,
            state=state,
            cause=cause,
            reply=reply,
            entry=entry,
            suppression=suppression,
        )
    )
