"""What the domain commands ask DNS, and what they know before they ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

from .call import now

if TYPE_CHECKING:
    from postwicket.config import Settings
    from postwicket.trust.examining import FetchPolicy
    from postwicket.trust.finding import Finding
    from postwicket.trust.keys import DkimKey, Domain
    from postwicket.trust.lookup import Resolver
    from postwicket.trust.publishing import Situation

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What DNS said to the owner's claim.

    `why` says why the domain is not proved, "" where it is, and `later` that DNS did not answer;
    `right` are the ids of the keys whose records are as they should be.
    """

    why: str = ""
    later: bool = False
    findings: Sequence[Finding] = ()
    right: frozenset[int]


def ask(settings: Settings, question: Callable[[Resolver], Awaitable[T]]) -> T:
    """Ask with the resolver of the configuration, and return what came of it."""
    import asyncio

    from postwicket.delivery.naming import resolver_for

    async def whole() -> T:
        return await question(resolver_for(settings, now))

    return asyncio.run(whole())


async def situation(
    settings: Settings, domain: Domain, keys: Sequence[DkimKey], resolver: Resolver
) -> Situation:
    """Return what the records of a domain follow from: the addresses and exchangers are asked."""
    from postwicket.trust.publishing import Situation

    source = settings.delivery.source_address or ""
    # Behind address translation the world sees another one: the name's.
    given = [one for one in source.replace(",", " ").split() if ip_address(one).is_global]
    if not given:
        four, six = await resolver.a(settings.hostname), await resolver.aaaa(settings.hostname)
        given = [*four.records, *six.records]
    exchangers = await resolver.mx(domain.name)
    return Situation(
        domain=domain,
        keys=tuple(keys),
        hostname=settings.hostname,
        addresses=tuple(given),
        returns=settings.returns.domain or "",
        exchangers=tuple(mx.exchange for mx in exchangers.records if mx.exchange),
        now=now(),
    )


async def examined(
    settings: Settings, domain: Domain, keys: Sequence[DkimKey], resolver: Resolver
) -> list[Finding]:
    """Return what DNS says about a domain, next to what it should say."""
    from postwicket.trust.examining import Ground, examine

    here = await situation(settings, domain, keys, resolver)
    return await examine(Ground(here, resolver, _policies(settings, resolver)))


def _policies(settings: Settings, resolver: Resolver) -> FetchPolicy:
    """Return what gets the MTA-STS policy of a domain."""
    from postwicket.delivery.naming import reach_for
    from postwicket.net.certificates import CertificateUnusable, client_context
    from postwicket.trust.mta_sts import PolicyInvalid, StsPolicy
    from postwicket.trust.mta_sts_fetch import FetchFailed, fetch

    reach = reach_for(settings)

    async def where(host: str) -> list[tuple[str, int]]:
        found = [await resolver.aaaa(host), await resolver.a(host)]
        addresses = [(one, lookup.port or 443) for lookup in found for one in lookup.records]
        return [one for one in addresses if not reach.objection(*one)]

    async def policy(domain: str) -> StsPolicy:
        try:
            return (await fetch(domain, where, client_context(settings.delivery.ca)))[0]
        except (FetchFailed, CertificateUnusable) as error:
            raise PolicyInvalid(str(error)) from None

    return policy


async def proved(domain: Domain, keys: Sequence[DkimKey], resolver: Resolver) -> Proof:
    """Look for the proof of ownership, and for the records of these keys."""
    from postwicket.trust.examining import examine_key
    from postwicket.trust.publishing import CHALLENGE, challenge

    why, later = "", False
    if domain.verified is None:
        lookup = await resolver.txt(f"{CHALLENGE}.{domain.name}")
        if challenge(domain) not in lookup.records:
            why = str(lookup) if not lookup.found else f"{lookup.name} has another text"
            later = not lookup.found and not lookup.missing
    findings = [await examine_key(key, resolver, now=now()) for key in keys]
    right = frozenset(key.id for key, one in zip(keys, findings, strict=True) if one.level == "ok")
    return Proof(why=why, later=later, findings=findings, right=right)
