"""Which connection carries the next shipment, and when a host is left alone: decided, not done.

`plan` names one step from what is known; the pool performs it and asks again.  `Health` is what
is known of a host as a whole: while it fails, one probe at a time finds out whether it is back,
and everybody else waits without having spent an attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from postwicket.core.cause import Cause
from postwicket.policy.retry import pause_after

LONGEST_REST: Final = 300.0  # seconds: a host that is back is noticed within five minutes
# Seconds between probes that new mail or `queue retry` ask for while the host rests.  A refused
# sign-in must not be repeated quickly: providers lock accounts for that.
EAGER: Final = 1.0
CAREFUL: Final = 30.0


class Step(Enum):
    """What to do next."""

    REUSE = "send on the freshest idle connection of this way"
    RETIRE = "close the freshest idle connection of this way, then ask again"
    MAKE_ROOM = "close the oldest idle connection of another way, then ask again"
    OPEN = "open a connection, and let the shipment wait for it"
    PARK = "let the shipment wait for what the connection on its way finds"
    WAIT = "do nothing until something ends"
    PAUSE = "do nothing until the next message may go"
    POSTPONE = "let this shipment come back when the host may be"


@dataclass(frozen=True, slots=True)
class Health:
    """A host's failures in a row; `until` is when it has rested, `eager` from when a probe may."""

    failures: int = 0
    until: float = 0.0
    eager: float = 0.0

    def failed(
        self, cause: Cause, schedule: Sequence[float], now: float, pause: float = 0.0
    ) -> Health:
        """Return the health after one more failure; `pause` is what the host is known to want."""
        failures = self.failures + 1
        rest = max(min(pause_after(failures, schedule, 0), LONGEST_REST), pause)
        quick = cause in {Cause.NETWORK, Cause.DNS, Cause.SERVER}
        eager = min(rest, LONGEST_REST if pause else EAGER if quick else CAREFUL)
        return Health(failures, now + rest, now + eager)


WELL: Final = Health()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known when a shipment waits.

    `idle`, `worn` (of the freshest idle connection), `here` (connections opening or busy), `met`
    (it has led somewhere) and `health` are about the way of this shipment.  `spare` (idle
    connections of other ways), `used` (those opening or busy), `limit` and `pause` (seconds until
    a message may go) are about the whole pool.
    """

    idle: int = 0
    worn: bool = False
    here: int = 0
    met: bool = True
    spare: int = 0
    used: int = 0
    limit: int
    pause: float = 0.0
    health: Health
    now: float


def plan(view: View) -> Step:
    """Name the next step for the first of the shipments that wait."""
    if view.health.failures:
        if view.here:
            # The one probe is under way; who waits learns soon what it found.
            return Step.PARK if view.now >= view.health.until else Step.POSTPONE
        if view.now < view.health.eager:
            return Step.POSTPONE
    if view.pause > 0:
        return Step.PAUSE
    if view.idle:
        return Step.RETIRE if view.worn else Step.REUSE
    if view.here and not view.met:
        return Step.PARK  # a host that may be dead gets one connection, not all of its site's
    if view.used >= view.limit:
        return Step.WAIT
    return Step.MAKE_ROOM if view.used + view.spare >= view.limit and view.spare else Step.OPEN
