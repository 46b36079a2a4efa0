"""How safe connections to exchangers have to be, and how that is done: facts in, TLS out.

`Safety.secure` gathers what DNS, the domain's MTA-STS policy, the operator and the sender say, and
has `policy.transport` decide.  `Safety.plan` turns the decision into TLS, and into the judgement
after the handshake.  What came of it is counted for the daily reports (RFC 8460).
"""

from __future__ import annotations

import asyncio
import fnmatch
import re
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeAlias

from postwicket.config.sending import Destination as DestinationRule
from postwicket.config.settings import Settings
from postwicket.core.clock import Clock
from postwicket.core.envelope import Demands
from postwicket.core.tls_result import TlsResult
from postwicket.core.tls_verdict import TlsVerdict
from postwicket.net.certificates import CertificateUnusable, client_context
from postwicket.net.reach import Reach
from postwicket.net.tls import DISTRUSTED, TlsFailed, TlsLayer
from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.transport import (
    Facts,
    Level,
    Published,
    Rule,
    Security,
    dane_published,
    secure,
    sts_published,
)
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.trust.dane import NO_DANE, Dane, consult
from postwicket.trust.dane_match import Misfit, match
from postwicket.trust.lookup import Resolver
from postwicket.trust.mta_sts import StsPolicy
from postwicket.trust.mta_sts_cache import PolicyFiles, StsPolicies
from postwicket.trust.mta_sts_fetch import fetch

from .destination import Destination, Exchanger
from .dialling import Unreached
from .naming import web_hosts

Count: TypeAlias = Callable[[Sequence[TlsResult]], None]

MOST_FETCHES: Final = 50  # policies at once
# What is counted when an exchanger may not even be connected to.
_VERDICTS: Final = {
    "tls.mta-sts-mx": TlsVerdict.FAILED,
    "tls.dane-needed": TlsVerdict.DANE_REQUIRED,
    "tls.dane-lookup": TlsVerdict.TLSA_INVALID,
}


class Safety:
    """The safety of one process's connections; `count` hears how sessions went."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        reach: Reach,
        clock: Clock,
        *,
        count: Count = lambda _: None,
        disk: Executor | None = None,
    ) -> None:
        self._settings = settings.delivery
        self._answered = {entry.name for entry in settings.host}
        self._rules = [_Rule(rule) for rule in settings.destination]
        self._resolver = resolver
        self._where = web_hosts(resolver, reach)
        self._clock = clock
        self._count = count
        self._anybody = client_context(None, verify=False)
        self._verifying: ssl.SSLContext | None = None
        self._https: ssl.SSLContext | None = None
        self._fetching = asyncio.Semaphore(MOST_FETCHES)
        self._policies = StsPolicies(
            resolver,
            self._fetch,
            PolicyFiles(settings.data / "mta-sts"),
            clock=clock,
            disk=disk,
            told=self._no_policy,
        )

    async def secure(
        self, destination: Destination, exchanger: Exchanger, demands: Demands
    ) -> Security | Answer:
        """Return what a connection to the exchanger needs, or why it may not be used."""
        waived = demands.tls_optional and not demands.require_tls
        dane, sts = NO_DANE, None
        if not waived:
            dane, sts = await asyncio.gather(
                self._dane(destination, exchanger), self._sts(destination.domain)
            )
        found = secure(
            Facts(
                domain=destination.domain,
                exchanger=exchanger.name,
                secure_mx=destination.secure,
                dane=dane,
                sts=sts,
                rule=self._rule(destination.domain, exchanger.name),
                require_tls=demands.require_tls,
                tls_optional=demands.tls_optional,
            )
        )
        if isinstance(found, Answer):
            verdict = _VERDICTS.get(found.reply.rule) if found.reply else None
            if verdict is not None:
                shown = dane_published(dane) if dane.base else sts_published(sts)
                verdict = TlsVerdict.DNSSEC_INVALID if dane.forged else verdict
                self._add(destination.domain, shown, verdict, exchanger=exchanger.name)
            return found
        return replace(found, until=dane.until)

    def plan(self, exchanger: Exchanger, security: Security) -> TlsPlan | None:
        """Return how to do TLS as a `Security` says, None for none; raise `Unreached`."""
        heard = partial(self._heard, exchanger.name, security)
        match security.level:
            case Level.NONE:
                return None
            case Level.OPPORTUNISTIC | Level.ENCRYPT:
                return TlsPlan(self._anybody, security.server_name, verified=False, heard=heard)
            case Level.VERIFY:
                by = " by MTA-STS" if security.published.kind == "sts" else ""
                words = f"verified for {security.server_name}{by}"
                return TlsPlan(
                    self._verified(), security.server_name, trust=lambda _: words, heard=heard
                )
            case Level.DANE:
                return TlsPlan(
                    self._anybody,
                    security.server_name,
                    trust=partial(self._judge, security),
                    heard=heard,
                )

    # --- facts ----------------------------------------------------------------------------

    async def _dane(self, destination: Destination, exchanger: Exchanger) -> Dane:
        if not (self._settings.dnssec and self._settings.dane and exchanger.secure):
            return NO_DANE
        return await consult(
            self._resolver,
            candidates=[name for name in (exchanger.canonical, exchanger.name) if name],
            port=exchanger.port,
            also=[name for name in (destination.domain, destination.canonical) if name],
        )

    async def _sts(self, domain: str) -> StsPolicy | None:
        # What the operator answers instead of DNS is none of the owner's exchangers, and a
        # policy is about those: `[[destination]]` says how safe the way to it has to be.
        if not self._settings.mta_sts or domain.startswith("[") or domain in self._answered:
            return None
        return await self._policies.policy(domain)

    def _rule(self, domain: str, exchanger: str) -> Rule:
        for rule in self._rules:
            if rule.matches(domain, exchanger):
                return rule.tls
        return Rule.OPPORTUNISTIC

    async def _fetch(self, domain: str) -> tuple[StsPolicy, bytes]:
        async with self._fetching:
            return await self._fetch_in_turn(domain)

    async def _fetch_in_turn(self, domain: str) -> tuple[StsPolicy, bytes]:
        if self._https is None:  # its own context: HTTP has another protocol name (ALPN)
            self._https = client_context(self._settings.ca)
        return await fetch(domain, self._where, self._https)

    # --- TLS ------------------------------------------------------------------------------

    def _verified(self) -> ssl.SSLContext:
        if self._verifying is None:
            try:
                self._verifying = client_context(self._settings.ca)
            except CertificateUnusable as error:
                detail = str(error)[:300]
                raise Unreached(Answer(Stage.TLS, None, Trouble.CERTIFICATE, detail)) from None
        return self._verifying

    def _judge(self, security: Security, layer: TlsLayer) -> str:
        """Compare the peer's chain with the TLSA records; raise `TlsFailed`."""
        found = match(layer.peer_chain, security.tlsa, security.names, self._clock())
        if isinstance(found, Misfit):
            raise TlsFailed(DISTRUSTED, f"DANE: {found.why}", found.verdict)
        return found.because

    # --- what is counted ------------------------------------------------------------------

    def _heard(
        self, exchanger: str, security: Security, verdict: TlsVerdict, ours: str, theirs: str
    ) -> None:
        if verdict is TlsVerdict.SUCCESS and security.flaw is not None:
            verdict = security.flaw
        published = security.published
        self._add(security.domain, published, verdict, exchanger=exchanger, ends=(ours, theirs))

    def _no_policy(self, domain: str, verdict: TlsVerdict, _: str) -> None:
        self._add(domain, Published("sts"), verdict)

    def _add(
        self,
        domain: str,
        published: Published,
        verdict: TlsVerdict,
        *,
        exchanger: str = "",
        ends: tuple[str, str] = ("", ""),
    ) -> None:
        """Count one session; `ends` are our IP address and the peer's."""
        if domain.startswith("["):
            return  # an address literal has nobody who could ask for a report
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        result = TlsResult(
            day=day,
            domain=domain,
            policy_type=published.kind,
            policy=published.lines,
            mx_patterns=published.mx,
            sending_ip=ends[0],
            receiving_mx=exchanger,
            receiving_ip=ends[1],
            result=verdict.value,
        )
        self._count([result])


class _Rule:
    """One `[[destination]]`, ready to be asked."""

    def __init__(self, rule: DestinationRule) -> None:
        self.tls = Rule(rule.tls)
        self._domains = _any_of(rule.domains)
        self._exchangers = _any_of(rule.exchangers)

    def matches(self, domain: str, exchanger: str) -> bool:
        """Say whether the rule is for this exchanger of this domain."""
        return bool(self._domains.fullmatch(domain) and self._exchangers.fullmatch(exchanger))


def _any_of(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs or ("*",)))
