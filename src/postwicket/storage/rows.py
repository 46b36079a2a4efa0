"""Between values and rows: every column's place is written here and in `sql/` only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from postwicket.core.address import Address
from postwicket.core.entry import Entry
from postwicket.core.envelope import (
    NO_DEMANDS,
    Body,
    Demands,
    Envelope,
    Notify,
    Recipient,
    Sender,
)
from postwicket.core.queue_id import QueueId, spell
from postwicket.core.state import State
from postwicket.policy.lane import place_of, urgency_of

from .values import Delivery, Message, NewMessage, QueueRow, Settlement, StoredBody
from .words import keys_of

Row = tuple[Any, ...]

_BODIES: Final = {body.value: body for body in Body}
_STATES: Final = {state.value: state for state in State}
# Built once: json.dumps with arguments of its own would build an encoder for every call.
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_json(value: object) -> str:
    """Return `value` as short JSON."""
    return _encode(value)


def message_row(new: NewMessage) -> Row:
    """Return the row of `message`."""
    message = new.message
    sender = message.envelope.sender
    return (
        message.id,
        message.account,
        str(sender.address) if sender.address else "",
        sender.size,
        sender.body.value,
        sender.smtputf8,
        sender.ret,
        sender.envid,
        message.size,
        message.received,
        message.expires,
        message.message_id,
        message.subject,
        message.lane,
        _demands_text(message.demands) if message.demands != NO_DEMANDS else "",
        new.header,
    )


def body_row(new: NewMessage) -> Row:
    """Return the row of `body`."""
    body = new.body
    if isinstance(body, StoredBody):
        return (new.message.id, body.name, body.size, None)
    return (new.message.id, None, len(body.data), body.data)


def delivery_rows(new: NewMessage) -> list[Row]:
    """Return the rows of `delivery` as they are born."""
    message, slot = new.message, new.claimed_by
    urgency = urgency_of(message.lane, message.demands.priority)
    born = max(message.received, new.not_before)
    due, was_due = (born, None) if slot is None else (new.lease_until, born)
    return [
        (
            message.id,
            number,
            str(recipient.address),
            _notify_text(recipient.notify) if recipient.notify else "",
            recipient.orcpt,
            due,
            was_due,
            slot,
            urgency,
        )
        for number, recipient in enumerate(message.envelope.recipients, 1)
    ]


def entry_row(entry: Entry) -> Row:
    """Return the row of `entry`."""
    return (entry.at, entry.kind, entry.message, _encode(entry.data()))


def key_rows(message: Message) -> list[Row]:
    """Return the rows of `search`."""
    return [(key, message.id) for key in keys_of(message)]


def change_row(settlement: Settlement) -> Row:
    """Return the row of `settle`'s changes."""
    delivery, state = settlement.delivery, settlement.state
    return (
        delivery.message,
        delivery.number,
        settlement.claimed_by,
        delivery.attempts,
        state.value,
        settlement.attempt is not None,
        None if state.final or state is State.HELD else settlement.due,
        settlement.warned,
        settlement.route,
        settlement.cause,
        settlement.reply,
        settlement.site,
        "" if state.final else settlement.why,
    )


def attempt_row(settlement: Settlement) -> Row | None:
    """Return the row of `attempt`, None where nothing was tried."""
    delivery, attempt = settlement.delivery, settlement.attempt
    if attempt is None:
        return None
    return (
        delivery.message,
        delivery.number,
        delivery.attempts + 1,
        attempt.at,
        attempt.seconds,
        attempt.route,
        attempt.remote,
        attempt.tls,
        attempt.reply,
        attempt.transcript,
        attempt.trust,
    )


# --- and back -----------------------------------------------------------------------------


def messages_from(rows: Iterable[Row], deliveries: Iterable[Row]) -> list[Message]:
    """Return messages from rows of `messages` and all their rows of `deliveries`."""
    recipients: dict[int, list[Recipient]] = {}
    for row in deliveries:
        recipients.setdefault(row[0], []).append(_recipient(row))
    return [_message(row, tuple(recipients.get(row[0], ()))) for row in rows]


def _message(row: Row, recipients: tuple[Recipient, ...]) -> Message:
    sender = Sender(
        address=_address(row[2]) if row[2] else None,
        size=row[3],
        body=_BODIES[row[4]],
        smtputf8=bool(row[5]),
        ret=row[6],
        envid=row[7],
    )
    return Message(
        id=QueueId(row[0]),
        account=row[1],
        envelope=Envelope(sender, recipients),
        size=row[8],
        received=row[9],
        expires=row[10],
        message_id=row[11],
        subject=row[12],
        lane=row[13],
        demands=_demands(row[14]) if row[14] else NO_DEMANDS,
    )


def delivery_from(row: Row) -> Delivery:
    """Return a delivery from a row of `deliveries`."""
    return Delivery(
        message=QueueId(row[0]),
        number=row[1],
        recipient=_recipient(row),
        state=_STATES[row[5]],
        attempts=row[6],
        due=row[7],
        warned=bool(row[8]),
    )


def queue_row(row: Row, sender: str) -> QueueRow:
    """Return what `queue list` shows from a row of `deliveries`."""
    lane, priority = place_of(row[15])
    return QueueRow(
        id=f"{spell(row[0])}-{row[1]}",
        message=spell(row[0]),
        sender=sender,
        recipient=row[2],
        state=_STATES[row[5]],
        attempts=row[6],
        next_attempt=row[7],
        route=row[10],
        cause=row[11],
        reply=row[12],
        sending=row[9] is not None,
        site=row[13],
        why=row[14],
        lane=lane,
        priority=priority,
    )


def _demands_text(demands: Demands) -> str:
    """Return demands as JSON, without what is as usual."""
    return _encode(
        {
            field.name: value
            for field in fields(demands)
            if (value := getattr(demands, field.name)) != getattr(NO_DEMANDS, field.name)
        }
    )


def _demands(text: str) -> Demands:
    return Demands(**json.loads(text))


def keys_json(deliveries: Sequence[Delivery]) -> str:
    """Return the keys of deliveries as JSON, for statements that are about many."""
    return _encode([(delivery.message, delivery.number) for delivery in deliveries])


def _recipient(row: Row) -> Recipient:
    notify = frozenset(Notify(name) for name in row[3].split(",")) if row[3] else frozenset()
    return Recipient(_address(row[2]), notify, row[4])


def _address(text: str) -> Address:
    # It was an Address when it was written: the last @ is the one, and it needs no parsing.
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def _notify_text(notify: frozenset[Notify]) -> str:
    return ",".join(sorted(wish.value for wish in notify))
