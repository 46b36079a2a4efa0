"""Queue ids: 63-bit integers that sort by time, written as 13 letters and digits.

The time leads, so that new rows go to the end of the database's tree; the maker's slot and a
counter follow, so that several processes need no common counter.
"""

from __future__ import annotations

import re
from typing import Final, NewType

QueueId = NewType("QueueId", int)

EPOCH: Final = 1_704_067_200  # 2024-01-01T00:00:00Z: 41 bits of milliseconds last until 2093
_SLOT_BITS: Final = 10
_COUNT_BITS: Final = 12
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U to misread
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_PAIRS: Final = tuple(first + second for first in _DIGITS for second in _DIGITS)
LENGTH: Final = 13
_SPELLING: Final = re.compile(rf"[{_DIGITS}]{{{LENGTH}}}")


class QueueIds:
    """Makes queue ids for one process; `slot` (0 to 1023) must be its own."""

    def __init__(self, slot: int) -> None:
        self._slot = slot % (1 << _SLOT_BITS)
        self._last = 0
        self._count = 0

    def next(self, now: float) -> QueueId:
        """Return an id greater than all that this object made before."""
        tick = max(int((now - EPOCH) * 1000), self._last)
        if tick > self._last:
            self._last, self._count = tick, 0
        elif self._count + 1 >= 1 << _COUNT_BITS:
            # More than 4096 in one millisecond, or a clock that went back: borrow the next.
            self._last, self._count = self._last + 1, 0
        else:
            self._count += 1
        return QueueId(
            (self._last << (_SLOT_BITS + _COUNT_BITS)) | (self._slot << _COUNT_BITS) | self._count
        )


def made_at(id: QueueId) -> float:
    """Return when an id was made, in seconds since 1970, to the millisecond.

    >>> made_at(QueueIds(7).next(1_750_000_000.25))
    1750000000.25
    """
    return (id >> (_SLOT_BITS + _COUNT_BITS)) / 1000 + EPOCH


def spell(id: QueueId) -> str:
    """Return the id as people see it.

    >>> spell(QueueId(0)), len(spell(QueueId(2**63 - 1)))
    ('0000000000000', 13)
    """
    value = int(id)
    return (
        _DIGITS[value >> 60 & 31]
        + _PAIRS[value >> 50 & 1023]
        + _PAIRS[value >> 40 & 1023]
        + _PAIRS[value >> 30 & 1023]
        + _PAIRS[value >> 20 & 1023]
        + _PAIRS[value >> 10 & 1023]
        + _PAIRS[value & 1023]
    )


def read(text: str) -> QueueId:
    """Return the id that `text` spells, or raise ValueError.

    >>> read(spell(QueueId(123456789)))
    123456789
    """
    upper = text.strip().upper()
    if not _SPELLING.fullmatch(upper):
        raise ValueError(f"{text[:40]!r} is not a queue id")
    value = 0
    for digit in upper:
        value = value << 5 | _VALUES[digit]
    if value >= 1 << 63:
        raise ValueError(f"{text[:40]!r} is not a queue id")
    return QueueId(value)
