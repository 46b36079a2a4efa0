"""Between values and rows: every column's place is written here and in `sql/` only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from postwicket.core.address import Address
from postwicket.core.entry import Entry
from postwicket.core.envelope import Body, Envelope, Notify, Recipient, Sender
from postwicket.core.queue_id import QueueId, spell
from postwicket.core.state import State

from .usage import ended, minute_of
from .values import (
    Attempt,
    Charge,
    Delivery,
    Message,
    NewMessage,
    QueueRow,
    Settlement,
    StoredBody,
)
from .words import keys_of

Row = tuple[Any, ...]

KEYS_IN_ROW: Final = 3  # sender, recipient, Message-ID
_BODIES: Final = {body.value: body for body in Body}
_NOT_TRIED: Final[Row] = (None,) * 7
_STATES: Final = {state.value: state for state in State}
# Built once: json.dumps with arguments of its own would build an encoder for every call.
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_json(value: object) -> str:
    """Return `value` as short JSON."""
    return _encode(value)


def incoming_row(new: NewMessage, keys: Sequence[Row]) -> Row:
    """Return the row of `incoming` as far as its entry: with delivery 1, and the first keys."""
    message, body = new.message, new.body
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
        new.header,
        *((body.name, body.size, None) if isinstance(body, StoredBody) else _in_row(body.data)),
        *delivery_row(new, 1)[2:],
        *_first_keys(keys),
        *entry_row(new.entry),
    )


def _in_row(body: bytes) -> Row:
    return (None, len(body), body)


def _first_keys(keys: Sequence[Row]) -> Row:
    return (*[key for key, _ in keys[:KEYS_IN_ROW]], *[None] * (KEYS_IN_ROW - len(keys)))


def charge_row(new: NewMessage, charge: Charge) -> Row:
    """Return the columns of `incoming` that say what is charged to whom."""
    minute = minute_of(new.message.received)
    return (
        charge.account,
        minute,
        ended(minute),
        charge.messages,
        charge.recipients,
        charge.messages_per_day,
        charge.recipients_per_day,
    )


def delivery_row(new: NewMessage, number: int) -> Row:
    """Return the row of `delivery` as it is born."""
    message, slot = new.message, new.claimed_by
    recipient = message.envelope.recipients[number - 1]
    return (
        message.id,
        number,
        str(recipient.address),
        _notify_text(recipient.notify) if recipient.notify else "",
        recipient.orcpt,
        message.received if slot is None else new.lease_until,
        None if slot is None else message.received,
        slot,
    )


def entry_row(entry: Entry) -> Row:
    """Return the row of `entry`."""
    return (entry.at, entry.kind, entry.message, _encode(entry.data()))


def key_rows(message: Message) -> list[Row]:
    """Return the rows of `search`."""
    return [(key, message.id) for key in keys_of(message)]


def settled_row(settlement: Settlement) -> Row:
    """Return the row of `settled`."""
    delivery, state, attempt = settlement.delivery, settlement.state, settlement.attempt
    return (
        delivery.message,
        delivery.number,
        settlement.claimed_by,
        delivery.attempts,
        state.value,
        attempt is not None,
        None if state.final or state is State.HELD else settlement.due,
        settlement.warned,
        settlement.route,
        settlement.cause,
        settlement.reply,
        *(_NOT_TRIED if attempt is None else _tried(attempt)),
        *entry_row(settlement.entry),
        state.final,
    )


def _tried(attempt: Attempt) -> Row:
    return (
        attempt.at,
        attempt.seconds,
        attempt.route,
        attempt.remote,
        attempt.tls,
        attempt.reply,
        attempt.transcript,
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
    )


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
