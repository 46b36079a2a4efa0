"""What a `Selection` means: which statement finds it, with which parameters."""

from __future__ import annotations

from typing import Any, Final

from postwicket.core.queue_id import QueueId, read

from .values import Selection

FROM_START: Final = (-1, -1)


def delivery_of(id: str) -> tuple[QueueId, int | None] | None:
    """Read a queue id or a delivery id ("QUEUEID-NUMBER"); None where it is neither.

    >>> delivery_of("0000000000001-2"), delivery_of("0000000000001"), delivery_of("x")
    ((1, 2), (1, None), None)
    """
    spelled, dash, number = id.strip().partition("-")
    try:
        message = read(spelled)
    except ValueError:
        return None
    if not dash:
        return message, None
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    return message, int(number)


def statement_for(
    selection: Selection, *, limit: int, all: bool = False, after: tuple[int, int] = FROM_START
) -> tuple[str, dict[str, Any]] | None:
    """Return the statement and its parameters; None where the id cannot be anybody's.

    It finds the first `limit` that follow the delivery `after` (message, number).
    """
    domain = selection.domain
    parameters: dict[str, Any] = {
        "state": selection.state.value if selection.state else None,
        "sender": selection.sender,
        "recipient": selection.recipient,
        "domain": None if domain is None else "@" + domain.removeprefix("@"),
        "route": selection.route,
        "cause": selection.cause,
        "site": selection.site,
        "limit": limit,
        "after_message": after[0],
        "after_number": after[1],
    }
    if selection.id is None:
        return ("select all" if all else "select open"), parameters
    key = delivery_of(selection.id)
    if key is None:
        return None
    return "select message", parameters | {"message": key[0], "number": key[1], "all": all}
