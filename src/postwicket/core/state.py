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

    @property
    def final(self) -> bool:
        """True when nothing more will be done."""
        return not MOVES[self]


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
_BY_HAND: Final = frozenset({State.HELD, State.CANCELLED})

# `sending` is no state of its own: it is a queued, deferred or uncertain delivery with a claim.
MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.QUEUED: _ATTEMPTED | _BY_HAND,
    State.DEFERRED: _ATTEMPTED | _BY_HAND | {State.QUEUED},
    State.UNCERTAIN: _ATTEMPTED | _BY_HAND | {State.QUEUED},
    State.HELD: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED}),
    State.DELIVERED: frozenset(),
    State.CAPTURED: frozenset(),
    State.DISCARDED: frozenset(),
    State.FAILED: frozenset(),
    State.EXPIRED: frozenset(),
    State.SUPPRESSED: frozenset(),
    State.CANCELLED: frozenset(),
}

WAITING: Final = frozenset({State.QUEUED, State.DEFERRED, State.UNCERTAIN})
