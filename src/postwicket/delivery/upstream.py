"""Upstreams: servers that take our mail and send it on, each a place with one host on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postwicket.config.settings import Host, Settings
from postwicket.config.transport import Upstream
from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.pace import Rule
from postwicket.smtp.client.answer import Answer
from postwicket.smtp.client.opening import Opening

from .dialling import Target, opening_for, targets, tls_plan_for
from .pool import Consignor, Pool, Surroundings
from .shipment import Shipment
from .way import Bounds, Way


class UpstreamHost:
    """One `[[upstream]]`.  Implements `way.MailHost`."""

    def __init__(self, upstream: Upstream, hostname: str, static: Sequence[Host]) -> None:
        self.name = upstream.host
        self._upstream = upstream
        self._hostname = hostname
        self._static = static
        self._tls: TlsPlan | None = None

    async def targets(self) -> list[Target]:
        """Return its addresses, best first; raise `Unreached`."""
        return await targets(self._upstream.host, self._upstream.port, self._static)

    def objection(self, _address: str, _port: int) -> str:
        """Have none: where an upstream is was the operator's own choice."""
        return ""

    def terms(self) -> tuple[Opening, TlsPlan | None]:
        """Return how to open a session; raise `Unreached` when a file cannot be read."""
        how = opening_for(self._upstream, self._hostname)
        self._tls = self._tls or tls_plan_for(self._upstream)
        return how, self._tls

    def once_more(self, answer: Answer) -> str:  # noqa: ARG002 - nothing else may be tried
        """Forget what was read: a mended `ca` is seen at the next attempt."""
        self._tls = None
        return ""


def way_to(upstream: Upstream, hostname: str, static: Sequence[Host], source: str) -> Way:
    """Return the way to an upstream."""
    return Way((upstream.name, source), ((UpstreamHost(upstream, hostname, static),),), source)


def bounds_of(upstream: Upstream) -> Bounds:
    """Return what its pool may not exceed; connections are per worker already."""
    rule = Rule(
        connections=upstream.connections,
        messages_per_connection=upstream.messages_per_connection,
        slow_start=False,  # it is ours, or paid for
    )
    return Bounds(rule=rule, idle=upstream.idle)


class Upstreams:
    """Delivery through upstreams in one process."""

    def __init__(self, settings: Settings, around: Surroundings, consignor: Consignor) -> None:
        self._settings = settings
        self._upstreams = {upstream.name: upstream for upstream in settings.upstream}
        self._pools = {
            name: Pool(f"upstream {name}", bounds_of(upstream), around, consignor)
            for name, upstream in self._upstreams.items()
        }
        for pool in self._pools.values():
            around.calendar.trust(pool.name)
        self._ways: dict[tuple[str, str], Way] = {}  # by name and source address

    def place_of(self, name: str) -> str:
        """Return what the share of an upstream is counted under."""
        return self._pools[name].name

    def submit(self, shipment: Shipment, name: str, source: str) -> None:
        """Take a shipment; `source` is a local address to connect from, or ""."""
        way = self._ways.get((name, source))
        if way is None:
            settings = self._settings
            way = way_to(self._upstreams[name], settings.hostname, settings.host, source)
            self._ways[name, source] = way
        self._pools[name].submit(replace(shipment, way=way))

    def withdraw(self) -> list[Shipment]:
        """Hand back what has not begun."""
        return [shipment for pool in self._pools.values() for shipment in pool.withdraw()]

    def close(self) -> list[Shipment]:
        """Hang up everywhere; return what is known not to have arrived."""
        return [shipment for pool in self._pools.values() for shipment in pool.close()]

    def rest(self) -> None:
        """Say goodbye on every idle connection."""
        for pool in self._pools.values():
            pool.rest()
