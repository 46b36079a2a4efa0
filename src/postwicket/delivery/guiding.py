"""Where direct delivery gets its directions: names, safety and sites of one configuration."""

from __future__ import annotations

from collections.abc import Sequence

from postwicket.config.settings import Settings
from postwicket.core.clock import Clock
from postwicket.net.certificates import client_context
from postwicket.net.tls_plan import TlsPlan
from postwicket.storage.values import Message

from .destination import Destination, Exchanger
from .direct import Guide
from .exchanger_host import Opportunistic, Security
from .exchangers import Destinations
from .naming import reach_for, resolver_for, rules_for
from .sites import Sites


def guide_for(
    settings: Settings, clock: Clock, *, listening: Sequence[tuple[str, int]] = ()
) -> Guide:
    """Return what direct delivery has to be told under these settings.

    `listening` is where this server listens, as address and port: it never delivers to there.
    """
    reach = reach_for(settings, listening)
    resolver = resolver_for(settings, clock)
    destinations = Destinations(resolver, rules_for(settings, reach, clock))
    context = client_context(None, verify=False)

    async def secure(_: Destination, __: Exchanger, ___: Message) -> Security:
        return Opportunistic()

    def tls(exchanger: Exchanger, _: Security) -> TlsPlan:
        return TlsPlan(context, exchanger.name, verified=False)

    return Guide(
        hostname=settings.hostname,
        find=destinations.find,
        secure=secure,
        tls=tls,
        sites=Sites(settings.destination, workers=settings.worker_count),
        reach=reach,
    )
