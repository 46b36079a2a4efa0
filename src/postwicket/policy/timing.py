"""When a message may leave, and by when it has to: wishes of MAIL, resolved to times.

FUTURERELEASE (RFC 4865) holds a message back, DELIVERBY (RFC 2852) gives it a deadline,
MT-PRIORITY (RFC 6710) a place in the line.  All times count from MAIL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.clock import rfc3339
from postwicket.core.envelope import NO_DEMANDS, NO_WISHES, Demands, Wishes
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.message.header import Header

DAY: Final = 86_400
LATE: Final = 60.0  # seconds that a client's clock may be ahead of its network


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be wished for: `hold_at_most` in seconds (0: no holding), `priority` at most."""

    hold_at_most: float
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a message demands; `lowered`: a higher priority was wished for than may be had."""

    demands: Demands = NO_DEMANDS
    lowered: bool = False

    def expires(self, accepted: float, patience: float) -> float:
        """Return when waiting ends: after `patience` seconds of trying, or at the deadline."""
        demands = self.demands
        end = max(accepted, demands.not_before) + patience
        by = demands.deliver_by
        return min(end, by) if by is not None and demands.by_mode == "R" else end


AT_ONCE: Final = Timing()
UNBOUND: Final = Bounds(hold_at_most=0.0, priority=9)


def resolve(wishes: Wishes, now: float, bounds: Bounds) -> Timing | Refusal:
    """Turn wishes into times; `now` is when MAIL came."""
    if wishes is NO_WISHES:
        return AT_ONCE
    start = _release(wishes, now)
    if start > now + bounds.hold_at_most:
        return _too_far(bounds, now)
    if wishes.hold_until is not None and start < now - LATE:
        return _refused(
            "The time of HOLDUNTIL is over", "envelope.hold-over", "name a time that is to come"
        )
    by = None if wishes.by is None else now + wishes.by
    if by is not None and wishes.by_mode == "R" and by <= start:
        return _refused(
            "The message would have to arrive before it may leave",
            "envelope.by-before-release",
            "make BY longer than the time that the message is held",
        )
    return Timing(
        demands=Demands(
            require_tls=wishes.require_tls,
            not_before=start if start > now else 0.0,
            deliver_by=by,
            by_mode=wishes.by_mode,
            by_trace=wishes.by_trace,
            priority=min(wishes.priority, bounds.priority),
        ),
        lowered=wishes.priority > bounds.priority,
    )


def with_header(demands: Demands, header: Header) -> Demands:
    r"""Return the demands with what the header adds: `TLS-Required: No` (RFC 8689, section 5).

    REQUIRETLS on the envelope counts for more (section 4.2).

    >>> with_header(NO_DEMANDS, Header.parse(b"TLS-Required: no\r\n")).tls_optional
    True
    """
    field = header.first("tls-required")
    if field is None or demands.require_tls or field.value.lower() != b"no":
        return demands
    return replace(demands, tls_optional=True)


def latest_release(now: float, hold_at_most: float) -> str:
    """Return the last date and time until which mail can be held, as EHLO tells it.

    It is rounded down to a day, so that a keyword may be remembered.

    >>> latest_release(0.0, 172_900.0)
    '1970-01-03T00:00:00Z'
    """
    moment = (now + hold_at_most) // DAY * DAY
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _release(wishes: Wishes, now: float) -> float:
    if wishes.hold_until is not None:
        return wishes.hold_until
    return now if wishes.hold_for is None else now + wishes.hold_for


def _too_far(bounds: Bounds, now: float) -> Refusal:
    if bounds.hold_at_most <= 0:
        return _refused("Mail is not held here", "envelope.hold-too-long", "send it later")
    latest = rfc3339(now + bounds.hold_at_most)
    return _refused(
        f"Mail can be held for {bounds.hold_at_most:.0f} seconds at most, until {latest}",
        "envelope.hold-too-long",
        "hold it for a shorter time, or have [queue] hold_at_most raised",
    )


def _refused(text: str, rule: str, fix: str) -> Refusal:
    """Refuse as RFC 4865 and RFC 2852 refuse what cannot be done: 501."""
    return Refusal(reply=Reply(501, (5, 4), text, rule), cause=Cause.PROTOCOL, why=text, fix=fix)
