"""How much one account may send: size, recipients, and the rolling day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from postwicket.core.cause import Cause
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.identity.account import Account

DAY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is in force for one account: its own limits, and the server's where it has none."""

    messages_per_day: int
    recipients_per_day: int
    recipients_per_message: int
    message_size: int

    def of(self, account: Account) -> Allowance:
        """Return this allowance as changed by the account's own limits."""
        own = account.limits
        return Allowance(
            messages_per_day=_first(own.messages_per_day, self.messages_per_day),
            recipients_per_day=_first(own.recipients_per_day, self.recipients_per_day),
            recipients_per_message=_first(own.recipients_per_message, self.recipients_per_message),
            message_size=_first(own.message_size, self.message_size),
        )


def _first(own: int | None, general: int) -> int:
    return general if own is None else own


def too_many_recipients(limit: int) -> Refusal:
    """Refuse one recipient more; the client should send the rest in another message."""
    return Refusal(
        reply=Reply(
            452,
            (5, 3),
            f"Your message has too many recipients: at most {limit} per message, "
            "send the rest in another one",
            "rate.recipients-per-message",
        ),
        cause=Cause.RATE,
        why=f"more than {limit} recipients in one message",
        fix=f"send at most {limit} recipients per message",
    )


def day_used_up(what: str, limit: int, room_at: float) -> Refusal:
    """Refuse a message that does not fit into the account's last 24 hours.

    `what` is "messages" or "recipients"; `room_at` is when the first of them leaves the window,
    in seconds since 1970.
    """
    when = datetime.fromtimestamp(room_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Refusal(
        reply=Reply(
            550,
            (4, 5),
            f"Daily user sending limit exceeded: {limit} {what} in 24 hours; "
            f"there is room again at {when}",
            f"rate.{what}-per-day",
        ),
        cause=Cause.RATE,
        why=f"the limit of {limit} {what} in 24 hours is used up until {when}",
        fix=f"send again after {when}, or ask the administrator for a higher limit",
    )
