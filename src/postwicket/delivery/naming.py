"""Who answers questions about names, as configured: static entries first, then DNS."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from postwicket.config.settings import Settings
from postwicket.config.values import socket_address
from postwicket.core.clock import Clock
from postwicket.net.https import PORT
from postwicket.net.reach import Reach
from postwicket.trust.lookup import Resolver
from postwicket.trust.mta_sts_fetch import Where
from postwicket.trust.resolver import DnsResolver
from postwicket.trust.servers import Server, Servers
from postwicket.trust.static import StaticHost, StaticResolver

from .exchangers import Rules


def resolver_for(settings: Settings, clock: Clock) -> Resolver:
    """Return the resolver of these settings, for one event loop."""
    given = [Server(*socket_address(text)) for text in settings.delivery.resolver]
    dns = DnsResolver(Servers(given, clock), clock, dnssec=settings.delivery.dnssec)
    if not settings.host:
        return dns
    return StaticResolver([StaticHost(host.name, *host.target) for host in settings.host], dns)


def reach_for(settings: Settings, listening: Sequence[tuple[str, int]] = ()) -> Reach:
    """Return which addresses may be connected to; `listening` is where this server does."""
    return Reach(settings.delivery.allow_networks, listening)


def rules_for(settings: Settings, reach: Reach, clock: Clock) -> Rules:
    """Return what is decided about destinations by these settings."""
    return Rules(
        hostname=settings.hostname,
        reach=reach,
        clock=clock,
        sample=random.sample,
        port=settings.delivery.port,
        ip=settings.delivery.ip,
    )


def web_hosts(resolver: Resolver, reach: Reach) -> Where:
    """Return what finds the socket addresses of HTTPS hosts that may be connected to."""

    async def where(host: str) -> list[tuple[str, int]]:
        found = await asyncio.gather(resolver.aaaa(host), resolver.a(host))
        addresses = [(one, lookup.port or PORT) for lookup in found for one in lookup.records]
        return [one for one in addresses if not reach.objection(*one)]

    return where
