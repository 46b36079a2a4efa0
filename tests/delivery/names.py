"""Names that a test makes up, in place of DNS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from postwicket.config.settings import Settings
from postwicket.core.reply import Reply
from postwicket.core.tls_result import TlsResult
from postwicket.delivery.destination import Destination, Exchanger
from postwicket.delivery.dialling import Target
from postwicket.delivery.direct import Guide
from postwicket.delivery.guiding import guide_for
from postwicket.delivery.naming import reach_for
from postwicket.delivery.safety import Safety
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.trust.lookup import Verdict
from tests.trust.scripted import ScriptedResolver

from .world import settings_for


def direct(**more: object) -> Settings:
    """Return settings of one worker that delivers everything straight to exchangers."""
    given = more.setdefault("delivery", {})
    assert isinstance(given, dict)
    given.setdefault("allow_networks", ["127.0.0.0/8"])
    more.setdefault("route", ({"via": "direct"},))
    return settings_for(1, upstream=None, workers=1, **more)


@dataclass
class Names:
    """Domains and their exchangers: (name, preference, port).

    `records` is what DNS says else, as `ScriptedResolver` has it; `secure`: DNSSEC vouches for
    the exchangers.  `results` is what was counted for TLS reports.
    """

    domains: dict[str, Sequence[tuple[str, int, int]]] = field(default_factory=dict)
    records: dict[str, str | Verdict] = field(default_factory=dict)
    secure: bool = False
    results: list[TlsResult] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def find(self, domain: str) -> Destination | Answer:
        """Return where mail for a domain goes; note that it was asked for."""
        self.asked.append(domain)
        if domain not in self.domains:
            return Answer(Stage.ROUTE, Reply(451, (4, 3), "no name server"), ours=True)
        exchangers = tuple(
            Exchanger(
                name=name,
                preference=preference,
                addresses=(Target("127.0.0.1", port, f"{name}[127.0.0.1]:{port}"),),
                port=port,
                canonical=name,
                secure=self.secure,
            )
            for name, preference, port in self.domains[domain]
        )
        return Destination(domain=domain, exchangers=exchangers, until=2e10, secure=self.secure)

    def guide(self, settings: Settings) -> Guide:
        """Return a guide that knows these names."""
        reach = reach_for(settings)
        safety = Safety(
            settings, ScriptedResolver(self.records), reach, time.time, count=self.results.extend
        )
        return replace(
            guide_for(settings, time.time),
            find=self.find,
            secure=safety.secure,
            tls=safety.plan,
        )
