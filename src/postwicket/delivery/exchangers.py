"""From a recipient's domain to the hosts that take its mail (RFC 5321, section 5.1).

Exchangers by preference, equal ones by chance, each with its addresses; the domain itself where
it has no MX record.  Whatever DNS says, the result is a `Destination` or an `Answer` at the stage
`ROUTE` that says which thing failed: that there is no such domain is final, that nobody knows
today is not.

Where we are an exchanger ourselves, we and what is not preferred to us drop out: mail that may
only go to those has come back to us.  Addresses in networks that are not the Internet drop out
as well (`net.reach`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Final, Literal, TypeVar

import idna

from postwicket.core.clock import Clock
from postwicket.core.reply import Reply
from postwicket.net.reach import Reach
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.trust.cache import Cache
from postwicket.trust.flight import Flights
from postwicket.trust.lookup import Lookup, MxRecord, Resolver, Verdict

from .destination import Destination, Exchanger
from .dialling import MOST_ADDRESSES, Target

MOST_EXCHANGERS: Final = 10  # of one domain; the best
DEADLINE: Final = 30.0  # seconds for all questions about one domain
DOUBT_FOR: Final = 30.0  # seconds that "nobody knows" is kept
MOST_NAMED: Final = 3  # exchangers in a sentence

IpPolicy = Literal["prefer-ipv6", "prefer-ipv4", "ipv6", "ipv4"]
T = TypeVar("T")
# Underscores are no host names, and are used as such.
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is decided here and not by DNS.

    `hostname` is our own name, `port` where exchangers listen, `sample` draws some of a sequence
    in an order left to chance (`random.sample`).
    """

    hostname: str
    reach: Reach
    clock: Clock
    sample: Callable[[Sequence[Any], int], list[Any]]
    port: int = 25
    ip: IpPolicy = "prefer-ipv6"
    deadline: float = DEADLINE


@dataclass(frozen=True, slots=True)
class _Host:
    """What came of the search for one exchanger's addresses: an exchanger, or why it is none."""

    mx: MxRecord
    exchanger: Exchanger | None
    until: float
    why: str = ""
    verdict: Verdict | None = None  # of a failure: nobody knows, somebody may later
    forbidden: bool = False
    ourselves: bool = False


class Destinations:
    """Destinations of one process: found once, and kept for as long as their records live."""

    def __init__(self, resolver: Resolver, rules: Rules) -> None:
        self._resolver = resolver
        self._rules = rules
        self._known: Cache[str, Destination | Answer] = Cache(rules.clock)
        self._searches = Flights[str, Destination | Answer]()

    def known(self, domain: str) -> Destination | Answer | None:
        """Return what is known of a domain without asking anybody, or None."""
        return self._known.get(domain)

    async def find(self, domain: str) -> Destination | Answer:
        """Return where mail for a domain goes, or why nowhere."""
        known = self._known.get(domain)
        if known is not None:
            return known
        return await self._searches.join(domain, lambda: self._search(domain))

    def close(self) -> None:
        """Give up what is under way."""
        self._searches.cancel()

    async def _search(self, domain: str) -> Destination | Answer:
        found, until = await _find(domain, self._resolver, self._rules)
        weight = 500 if isinstance(found, Answer) else 500 + 800 * len(found.exchangers)
        self._known.put(domain, found, until=until, weight=weight)
        return found


async def find_destination(domain: str, resolver: Resolver, rules: Rules) -> Destination | Answer:
    """Return where mail for a domain (A-labels, U-labels or a literal in brackets) goes."""
    found, _ = await _find(domain, resolver, rules)
    return found


async def _find(
    domain: str, resolver: Resolver, rules: Rules
) -> tuple[Destination | Answer, float]:
    """Return what was found, and until when that holds."""
    if domain.startswith("["):
        return _literal(domain, rules), float("inf")
    wire, shown = _spellings(domain)
    try:
        async with asyncio.timeout(rules.deadline):
            mx = await resolver.mx(wire)
            if mx.found and all(not record.exchange for record in mx.records):
                return _no(556, (1, 10), f"{shown} takes no mail", "dns.null-mx"), mx.until
            if not mx.found and mx.verdict is not Verdict.NODATA:
                return _unfound(mx, shown), mx.until
            return await _with_hosts(mx, wire, shown, resolver, rules)
    except TimeoutError:
        why = f"Looking for the mail exchangers of {shown} took longer than {rules.deadline:.0f} s"
        return _no(451, (4, 3), why, "dns.timeout"), rules.clock() + DOUBT_FOR


async def _with_hosts(
    mx: Lookup[MxRecord], wire: str, shown: str, resolver: Resolver, rules: Rules
) -> tuple[Destination | Answer, float]:
    """Find the addresses of the exchangers, or of the domain itself where it names none."""
    # RFC 7505, section 3: the null record stands alone; beside others it means nothing.
    records = [record for record in mx.records if record.exchange] or [MxRecord(0, wire)]
    before = _before_us(records, rules.hostname)
    best = sorted(rules.sample(before, len(before)), key=lambda record: record.preference)
    hosts = await asyncio.gather(
        *(_host(record, mx.secure, resolver, rules) for record in best[:MOST_EXCHANGERS])
    )
    until = min([mx.until, *(host.until for host in hosts)])
    ours = [host.mx.preference for host in hosts if host.ourselves]
    left = [host for host in hosts if not ours or host.mx.preference < min(ours)]
    looped = bool(ours) or len(before) < len(records)
    exchangers = tuple(host.exchanger for host in left if host.exchanger is not None)
    if not exchangers:
        return _unreachable(left, shown, looped=looped, implicit=not mx.found), until
    notes = [f"{host.mx.exchange} is left out: {host.why}" for host in left if host.why]
    if looped:
        notes.append("this server is an exchanger itself: only those preferred to it are tried")
    destination = Destination(
        domain=wire,
        shown=shown,
        canonical=mx.canonical,
        exchangers=exchangers,
        secure=mx.secure,
        implicit=not mx.found,
        until=until,
        left_out=tuple(notes),
    )
    return destination, until


def _before_us(records: Sequence[MxRecord], hostname: str) -> list[MxRecord]:
    """Return the exchangers that are preferred to us (RFC 5321, section 5.1)."""
    us, _ = _spellings(hostname)
    ours = [record.preference for record in records if record.exchange == us]
    return [record for record in records if not ours or record.preference < min(ours)]


# --- one exchanger ------------------------------------------------------------------------


async def _host(mx: MxRecord, secure: bool, resolver: Resolver, rules: Rules) -> _Host:  # noqa: FBT001
    """Find the addresses of one exchanger."""
    if not _HOST.fullmatch(mx.exchange):
        return _Host(mx, None, float("inf"), "that is no name of a host")
    found = await _addresses(mx.exchange, resolver, rules.ip)
    until = min(lookup.until for lookup in found)
    port = next((lookup.port for lookup in found if lookup.found and lookup.port), rules.port)
    families = [rules.sample(one.records, len(one.records)) for one in found]
    addresses = [one for one in chain.from_iterable(zip_longest(*families)) if one is not None]
    # That somebody names 127.0.0.1 does not make us the exchanger of their domain.
    objections = {address: rules.reach.forbidden(address) for address in addresses}
    good = [address for address in addresses if not objections[address]]
    if any(rules.reach.is_ourselves(address, port) for address in good):
        return _Host(mx, None, until, "it is this server", ourselves=True)
    if good:
        exchanger = Exchanger(
            name=mx.exchange,
            preference=mx.preference,
            addresses=tuple(_target(mx.exchange, one, port) for one in good[:MOST_ADDRESSES]),
            port=port,
            canonical=next(one.canonical for one in found if one.found),
            # A question that was kept from being answered must not make the others insecure:
            # whoever can do that could turn DANE off (RFC 7672, section 2.1.1).
            secure=secure and all(one.secure for one in found if one.found or one.missing),
        )
        return _Host(mx, exchanger, until)
    if addresses:
        why = ", ".join(no for no in objections.values())[:200]
        return _Host(mx, None, until, why, forbidden=True)
    failed = next((one for one in found if not one.found and not one.missing), None)
    if failed is not None:
        return _Host(mx, None, until, str(failed), failed.verdict)
    return _Host(mx, None, until, "it has no address that we use")


async def _addresses(name: str, resolver: Resolver, ip: IpPolicy) -> list[Lookup[str]]:
    """Ask for the addresses that the policy wants, those to try first before the others."""
    if ip == "ipv4":
        return [await resolver.a(name)]
    if ip == "ipv6":
        return [await resolver.aaaa(name)]
    both = await asyncio.gather(resolver.aaaa(name), resolver.a(name))
    return list(both) if ip == "prefer-ipv6" else list(both[::-1])


def _target(host: str, address: str, port: int) -> Target:
    return Target(address, port, f"{host}[{address}]:{port}")


def _literal(domain: str, rules: Rules) -> Destination | Answer:
    """Return the destination of an address literal (RFC 5321, section 4.1.3)."""
    try:
        inside = domain[1:-1]
        tagged = inside[:5].lower() == "ipv6:"
        address = str(
            ipaddress.IPv6Address(inside[5:]) if tagged else ipaddress.IPv4Address(inside)
        )
    except ValueError:
        return _no(550, (1, 2), f"{domain[:80]} is no address literal", "dns.no-such-domain")
    no = rules.reach.forbidden(address)
    if not no and rules.reach.is_ourselves(address, rules.port):
        return _no(554, (4, 6), f"{domain} is this server: mail would loop", "route.loop")
    if no:
        return _no(
            550, (4, 4), f"Mail is not carried to {domain}: {no}", "route.forbidden-address"
        )
    target = Target(address, rules.port, f"[{address}]:{rules.port}")
    exchanger = Exchanger(name=domain, preference=0, addresses=(target,), port=rules.port)
    return Destination(
        domain=domain, shown=domain, exchangers=(exchanger,), implicit=True, until=float("inf")
    )


# --- saying no ----------------------------------------------------------------------------


def _unfound(mx: Lookup[MxRecord], shown: str) -> Answer:
    """Say why nothing is known about a domain."""
    if mx.verdict is Verdict.NXDOMAIN:
        text = f"There is no domain {shown}: check the address for a typing mistake"
        return _no(550, (1, 2), text, "dns.no-such-domain")
    return _nobody_knows(mx.verdict, f"the mail exchangers of {shown}", mx.why)


def _unreachable(hosts: Sequence[_Host], shown: str, *, looped: bool, implicit: bool) -> Answer:
    """Say why none of a domain's exchangers can be used: what may change comes first."""
    failed = next((host for host in hosts if host.verdict is not None), None)
    if failed is not None and failed.verdict is not None:
        what = f"the addresses of {failed.mx.exchange}, which takes mail for {shown}"
        return _nobody_knows(failed.verdict, what, failed.why)
    if looped:
        text = f"This server is the mail exchanger of {shown}, and has no other route for it"
        return _no(554, (4, 6), text, "route.loop")
    said = "; ".join(f"{one.mx.exchange}: {one.why}" for one in hosts[:MOST_NAMED])
    if any(host.forbidden for host in hosts):
        text = f"Mail for {shown} is not carried to where its exchangers are: {said}"
        return _no(550, (4, 4), text, "route.forbidden-address")
    if implicit:
        return _no(
            550, (1, 2), f"{shown} has no mail exchanger and no address", "dns.no-mail-host"
        )
    text = f"No mail exchanger of {shown} has an address: {said}"
    return _no(451, (4, 4), text, "dns.no-exchanger-address")


def _nobody_knows(verdict: Verdict, what: str, why: str) -> Answer:
    because = f" ({why})" if why else ""
    if verdict is Verdict.TIMEOUT:
        text = f"Asking for {what} brought no answer in time{because}"
        return _no(451, (4, 3), text, "dns.timeout")
    if verdict is Verdict.BOGUS:
        text = f"The DNSSEC signatures do not prove {what}{because}"
        return _no(451, (4, 3), text, "dns.bogus")
    return _no(451, (4, 3), f"The name servers failed to tell {what}{because}", "dns.failure")


def _no(code: int, status: tuple[int, int], text: str, rule: str) -> Answer:
    readable = "".join(char if char.isprintable() else "?" for char in text[:500])
    return Answer(Stage.ROUTE, Reply(code, status, readable, rule), ours=True)


def _spellings(domain: str) -> tuple[str, str]:
    """Return a domain as DNS knows it and as people do.

    >>> _spellings("xn--bcher-kva.example"), _spellings("Bücher.example")
    (('xn--bcher-kva.example', 'bücher.example'), ('xn--bcher-kva.example', 'bücher.example'))
    """
    bare = domain.lower().removesuffix(".")
    try:
        wire = bare if bare.isascii() else idna.encode(bare, uts46=True).decode()
    except idna.IDNAError:
        return bare, bare  # a name that DNS cannot have: the resolver says so
    try:
        return wire, idna.decode(wire) if "xn--" in wire else wire
    except idna.IDNAError:
        return wire, wire
