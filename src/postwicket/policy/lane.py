"""Which mail goes first: the lane of a message, and its place in the queue.

Newsletters take the lane `bulk`, everything else is `transactional`, and bulk never delays
transactional.  Within a lane the priority of RFC 6710 decides, then the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from postwicket.message.header import Header

Waiting = TypeVar("Waiting")

TRANSACTIONAL: Final = "transactional"
BULK: Final = "bulk"
LANES: Final = frozenset({TRANSACTIONAL, BULK})

FIELD: Final = "x-postwicket-lane"
# What senders of newsletters and lists have always said (never standardised; RFC 2076, 3.9).
_BULKY: Final = frozenset({b"bulk", b"list", b"junk"})

_MIDDLE: Final = {TRANSACTIONAL: 10, BULK: 30}
_BETWEEN: Final = 20  # transactional is 1 to 19, bulk 21 to 39
# Bulk has a quarter of each claim as long as any is due: it is never in the way, and never stuck.
BULK_SHARE: Final = 4


def lane_of(header: Header, default: str) -> str:
    r"""Return the lane: what the message says, else its account's.

    >>> lane_of(Header.parse(b"Precedence: bulk\r\n"), "transactional")
    'bulk'
    >>> lane_of(Header.parse(b"X-Postwicket-Lane: transactional\r\nPrecedence: list\r\n"), "bulk")
    'transactional'
    """
    said = header.first(FIELD)
    if said is not None:
        lane = said.value.lower().decode("ascii", "replace")
        return lane if lane in LANES else default
    precedence = header.first("precedence")
    return BULK if precedence is not None and precedence.value.lower() in _BULKY else default


def urgency_of(lane: str, priority: int) -> int:
    """Return the place in the queue, lower first; `priority` is from -9 to 9.

    >>> urgency_of("transactional", 0), urgency_of("transactional", 9), urgency_of("bulk", -9)
    (10, 1, 39)
    """
    return _MIDDLE.get(lane, _MIDDLE[TRANSACTIONAL]) - max(-9, min(9, priority))


def place_of(urgency: int) -> tuple[str, int]:
    """Return lane and priority again.

    >>> place_of(10), place_of(39)
    (('transactional', 0), ('bulk', -9))
    """
    lane = BULK if is_bulk(urgency) else TRANSACTIONAL
    return lane, _MIDDLE[lane] - urgency


def is_bulk(urgency: int) -> bool:
    """Say whether that is the place of bulk."""
    return urgency > _BETWEEN


def take_turns(urgent: Sequence[Waiting], bulk: Sequence[Waiting], limit: int) -> list[Waiting]:
    """Return up to `limit` of both: the urgent first, but a quarter to bulk while it has that.

    >>> take_turns("uuuuuuuu", "bbbb", 8)
    ['u', 'u', 'u', 'u', 'u', 'u', 'b', 'b']
    >>> take_turns("uuuuuuuu", "b", 8), take_turns("u", "bbbb", 4)
    (['u', 'u', 'u', 'u', 'u', 'u', 'u', 'b'], ['u', 'b', 'b', 'b'])
    """
    kept = min(len(bulk), limit // BULK_SHARE)
    first = urgent[: limit - kept]
    return [*first, *bulk[: limit - len(first)]]
