"""The states of a delivery, and which may follow which.  The whole state machine is here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where a delivery stands."""

    QUEUED = "queued"
    DEFERRED = "deferred"
    HELD = "held"
    UNCERTAIN = "uncertain"
    DELIVERED = "delivered"
    CAPTURED = "captured"
    DISCARDED = "discarded"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"

    @property
    def final(self) -> bool:
        """True when the dispatcher never takes it up again; word may still come back of it."""
        return self in _FINAL


_ATTEMPTED: Final = frozenset(
    {
        State.DELIVERED,
        State.CAPTURED,
        State.DISCARDED,
        State.DEFERRED,
        State.FAILED,
        State.EXPIRED,
        State.UNCERTAIN,
        State.SUPPRESSED,
    }
)
_OBJECTED: Final = frozenset({State.COMPLAINED, State.UNSUBSCRIBED})
_BY_HAND: Final = frozenset({State.HELD, State.CANCELLED})

# `sending` is no state of its own: it is a queued, deferred or uncertain delivery with a claim.
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: _ATTEMPTED | _BY_HAND,
    State.DEFERRED: _ATTEMPTED | _BY_HAND | {State.QUEUED},
    # Word that comes back of it proves that it arrived.
    State.UNCERTAIN: _ATTEMPTED | _BY_HAND | {State.QUEUED} | _OBJECTED,
    State.HELD: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED}),
    # What was taken can bounce later, and people can say that they did not want it.
    State.DELIVERED: frozenset({State.FAILED}) | _OBJECTED,
    State.CAPTURED: frozenset(),
    State.DISCARDED: frozenset(),
    State.FAILED: frozenset(),
    State.EXPIRED: frozenset(),
    State.SUPPRESSED: frozenset(),
    State.CANCELLED: frozenset(),
    State.COMPLAINED: frozenset(),
    State.UNSUBSCRIBED: frozenset(),
}

_FINAL: Final = frozenset(
    {
        State.DELIVERED,
        State.CAPTURED,
        State.DISCARDED,
        State.FAILED,
        State.EXPIRED,
        State.SUPPRESSED,
        State.CANCELLED,
        State.COMPLAINED,
        State.UNSUBSCRIBED,
    }
)

WAITING: Final = frozenset({State.QUEUED, State.DEFERRED, State.UNCERTAIN})
