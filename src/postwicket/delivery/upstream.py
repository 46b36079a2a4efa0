"""An upstream as a host that mail goes to: the only one on its way."""

from __future__ import annotations

from collections.abc import Sequence

from postwicket.config.settings import Host
from postwicket.config.transport import Upstream
from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.pace import Rule
from postwicket.smtp.client.answer import Answer
from postwicket.smtp.client.opening import Opening

from .dialling import Target, opening_for, targets, tls_plan_for
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
