"""The arithmetic of the rolling day: minutes that are charged, and minutes that leave.

A minute's charges leave the window together, when the youngest that it may hold is a full day
old; so no 24 hours ever hold more than the limit, and room comes back at most a minute late.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .values import Charge, OverLimit

DAY: Final = 1440  # minutes
# A minute that began 1440 minutes ago may hold a charge of its last second.
STAY: Final = DAY + 1

Minutes = Iterable[tuple[int, int, int]]  # (minute since 1970, messages, recipients), oldest first


def minute_of(at: float) -> int:
    """Return the minute that a time falls in."""
    return int(at // 60)


def ended(minute: int) -> int:
    """Return the youngest minute that has left the window when `minute` is now."""
    return minute - STAY


def too_much(charge: Charge, messages: int, recipients: int) -> tuple[str, int] | None:
    """Say which limit the charge would break on top of what is used, and where it is."""
    if messages + charge.messages > charge.messages_per_day:
        return "messages", charge.messages_per_day
    if recipients + charge.recipients > charge.recipients_per_day:
        return "recipients", charge.recipients_per_day
    return None


def over_limit(charge: Charge, minutes: Minutes, *, now: float) -> OverLimit | None:
    """Judge a charge by the minutes of the window; None when it fits.

    A charge that is greater than the limit itself is told when the window will be empty.
    """
    live = [row for row in minutes if row[0] > ended(minute_of(now))]
    messages, recipients = sum(row[1] for row in live), sum(row[2] for row in live)
    broken = too_much(charge, messages, recipients)
    if broken is None:
        return None
    room_at = now
    for minute, its_messages, its_recipients in live:
        room_at = (minute + STAY) * 60.0
        messages, recipients = messages - its_messages, recipients - its_recipients
        if too_much(charge, messages, recipients) is None:
            break
    return OverLimit(*broken, room_at)
