"""Where direct delivery gets its directions: names, safety and sites of one configuration."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

from postwicket.config.settings import Settings
from postwicket.core.clock import Clock

from .direct import Guide
from .exchangers import Destinations
from .naming import reach_for, resolver_for, rules_for
from .safety import Count, Safety
from .sites import Sites


def guide_for(
    settings: Settings,
    clock: Clock,
    *,
    listening: Sequence[tuple[str, int]] = (),
    count: Count | None = None,
    disk: Executor | None = None,
) -> Guide:
    """Return what direct delivery has to be told under these settings.

    `listening` is where this server listens, as address and port: it never delivers to there.
    `count` hears how sessions were secured; `disk` is where files are read.
    """
    reach = reach_for(settings, listening)
    resolver = resolver_for(settings, clock)
    destinations = Destinations(resolver, rules_for(settings, reach, clock))
    counted = (settings.tls_reports.send and count) or _nobody
    safety = Safety(settings, resolver, reach, clock, count=counted, disk=disk)
    return Guide(
        hostname=settings.hostname,
        find=destinations.find,
        secure=safety.secure,
        tls=safety.plan,
        sites=Sites(settings.destination, workers=settings.worker_count),
        reach=reach,
    )


def _nobody(_: object) -> None:
    """Count nothing."""
