"""What is said of deliveries whose worker died with them in its hands."""

from __future__ import annotations

from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.entry import Settled
from postwicket.core.queue_id import QueueId
from postwicket.core.state import State

LEFT_IN_DOUBT: Final = (
    "the worker that had it in its hands ended without a word, so it may have arrived already; "
    "it is sent again, with the same Message-ID"
)


def left_in_doubt(
    at: float,
    message: QueueId,
    number: int,
    recipient: str,
    route: str,
    attempts: int,
    due: float | None,
) -> Settled:
    """Return the journal's entry about one of them; `due` is when it is tried again."""
    return Settled(
        at=at,
        message=message,
        delivery=number,
        recipient=recipient,
        state=State.UNCERTAIN.value,
        route=route,
        attempts=attempts,
        cause=Cause.SERVER.value,
        why=LEFT_IN_DOUBT,
        next_attempt=due,
    )
