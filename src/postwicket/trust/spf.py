"""SPF (RFC 7208): records read strictly, and `check_host` with its limits.

It answers what a receiver would say about mail from an address: for `domain check`, which wants
to know whether our own addresses pass, and what it cost to find out.  Nothing raises; a record
that cannot be read is `permerror` with words.  The macros that depend on a person (`%{s}`, `%{l}`)
are those of `postmaster`; `exists` and `ptr` are evaluated as any other term.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from .lookup import Lookup, Resolver, Verdict

MOST_LOOKUPS: Final = 10  # terms that ask DNS; section 4.6.4
MOST_VOID: Final = 2  # look-ups without an answer; section 4.6.4
MOST_NAMES: Final = 10  # exchangers of `mx`, names of `ptr`; section 4.6.4
DEEPEST: Final = 10  # includes in includes: they count against the ten anyway

T = TypeVar("T")
Result = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]
_RESULTS: Final[dict[str, Result]] = {
    "+": "pass",
    "-": "fail",
    "~": "softfail",
    "?": "neutral",
}
_TERM: Final = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:[:](.+?))?((?:/[0-9]{1,2})?(?://[0-9]{1,3})?)",
    re.IGNORECASE,
)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MACRO: Final = re.compile(r"%(?:\{([A-Za-z])([0-9]*)(r?)([.+,/_=-]*)\}|([%_-])|(.?))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One term, `+a:mail.example.org/24`: `prefix4` and `prefix6` are -1 where not said."""

    qualifier: str
    name: str
    value: str = ""
    prefix4: int = -1
    prefix6: int = -1

    def __str__(self) -> str:
        sign = "" if self.qualifier == "+" else self.qualifier
        return f"{sign}{self.name}{':' if self.value else ''}{self.value}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record that can be read."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


class SpfInvalid(ValueError):
    """A record that no receiver can use; says why."""


def is_spf(text: str) -> bool:
    """Say whether a TXT record is meant as SPF (section 4.5).

    >>> is_spf("v=spf1 -all"), is_spf("V=SPF1"), is_spf("v=spf10 -all")
    (True, True, False)
    """
    return text[:6].lower() == "v=spf1" and text[6:7] in {"", " "}


def parse(text: str) -> Record:
    """Return what a record says; raise `SpfInvalid` (section 4.6.1: any error spoils it).

    >>> [str(term) for term in parse("v=spf1 a:mail.example.org ~all").mechanisms]
    ['a:mail.example.org', '~all']
    """
    if not is_spf(text):
        raise SpfInvalid('it does not begin with "v=spf1"')
    if not text.isascii() or not text.isprintable():
        raise SpfInvalid("it has a character that is not printable ASCII")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in text[6:].split(" "):
        if not term:
            continue
        modifier = _MODIFIER.fullmatch(term)
        if modifier and not _TERM.fullmatch(term):
            name = modifier[1].lower()
            if name in {"redirect", "exp"} and name in modifiers:
                raise SpfInvalid(f"{name}= stands twice")
            if name == "redirect" and not modifier[2]:
                raise SpfInvalid("redirect= names no domain")
            modifiers.setdefault(name, modifier[2])
        else:
            mechanisms.append(_mechanism(term))
    return Record(tuple(mechanisms), modifiers.get("redirect", ""))


def _mechanism(term: str) -> Mechanism:
    match = _TERM.fullmatch(term)
    if match is None:
        raise SpfInvalid(f"{term[:60]!r} is no term of SPF")
    qualifier, name, value = match[1] or "+", match[2].lower(), match[3] or ""
    if name in {"ip4", "ip6"}:
        return Mechanism(qualifier, name, _network(name, value + match[4], term))
    first, _, second = match[4].partition("//")
    prefixes = (first[1:], second)
    if name in {"include", "exists"} and not value:
        raise SpfInvalid(f"{term[:60]!r} names no domain")
    if (name == "all" and value) or (match[4] and name not in {"a", "mx"}):
        raise SpfInvalid(f"{term[:60]!r} has too much behind {name}")
    four, six = (int(text) if text else -1 for text in prefixes)
    if four > 32 or six > 128:
        raise SpfInvalid(f"{term[:60]!r} has a prefix that is too long")
    return Mechanism(qualifier, name, value, four, six)


def _network(name: str, value: str, term: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        network = None
    if network is None or network.version != int(name[2]):
        raise SpfInvalid(f"{term[:60]!r} has no IPv{name[2]} network")
    return str(network)


@dataclass(slots=True)
class Findings:
    """What `check_host` found: the result, the words why, and what it cost."""

    result: Result = "none"
    why: str = ""
    lookups: int = 0
    voids: int = 0
    passed_by: str = ""  # the term that decided
    asked: list[str] = field(default_factory=list)


class _Stop(Exception):
    """Ends an evaluation."""

    def __init__(self, result: Result, why: str) -> None:
        super().__init__(why)
        self.result = result


async def check_host(
    address: str, domain: str, resolver: Resolver, *, helo: str = "unknown"
) -> Findings:
    """Return what a receiver says about mail from `address` with `domain` in MAIL FROM."""
    check = _Check(ipaddress.ip_address(address), domain, helo, resolver)
    try:
        check.found.result = await check.evaluate(domain, 0)
    except _Stop as stop:
        check.found.result, check.found.why = stop.result, str(stop)
    return check.found


class _Check:
    """One evaluation and its counters."""

    def __init__(
        self,
        address: ipaddress.IPv4Address | ipaddress.IPv6Address,
        domain: str,
        helo: str,
        resolver: Resolver,
    ) -> None:
        self.found = Findings()
        self._address = address
        self._sender = domain
        self._helo = helo
        self._resolver = resolver

    async def evaluate(self, domain: str, depth: int) -> Result:
        """Return the result for a domain: check_host() of section 4."""
        self.found.asked.append(domain)
        texts = self._believed(await self._resolver.txt(domain))
        records = [text for text in texts if is_spf(text)]
        if not records:
            return "none"
        if len(records) > 1:
            raise _Stop("permerror", f"{domain} has {len(records)} SPF records; one is allowed")
        try:
            record = parse(records[0])
        except SpfInvalid as error:
            raise _Stop("permerror", f"the record of {domain} cannot be read: {error}") from None
        for term in record.mechanisms:
            if await self._matches(term, domain, depth):
                if depth == 0:
                    self.found.passed_by = str(term)
                return _RESULTS[term.qualifier]
        if record.redirect and not any(term.name == "all" for term in record.mechanisms):
            self._count()
            target = self._expand(record.redirect, domain)
            result = await self.evaluate(target, depth)
            if result == "none":
                raise _Stop("permerror", f"redirect={target} leads to no record")
            return result
        return "neutral"

    async def _matches(self, term: Mechanism, domain: str, depth: int) -> bool:
        if term.name == "all":
            return True
        if term.name in {"ip4", "ip6"}:
            return self._address in ipaddress.ip_network(term.value)
        self._count()
        target = self._expand(term.value, domain) if term.value else domain
        match term.name:
            case "include":
                return await self._includes(target, depth)
            case "a":
                return await self._holds(term, [target])
            case "mx":
                lookup = await self._resolver.mx(target)
                names = [mx.exchange for mx in self._records(lookup) if mx.exchange]
                if len(names) > MOST_NAMES:
                    raise _Stop("permerror", f"{term} has more than {MOST_NAMES} exchangers")
                return await self._holds(term, names)
            case "exists":
                return bool(self._records(await self._resolver.a(target)))
            case _:
                return await self._named(target)

    async def _includes(self, target: str, depth: int) -> bool:
        if depth >= DEEPEST:
            raise _Stop("permerror", f"include:{target} is nested too deep")
        result = await self.evaluate(target, depth + 1)
        if result == "none":
            raise _Stop("permerror", f"include:{target} has no SPF record")
        return result == "pass"

    async def _holds(self, term: Mechanism, names: list[str]) -> bool:
        six = self._address.version == 6
        prefix = term.prefix6 if six else term.prefix4
        prefix = (128 if six else 32) if prefix < 0 else prefix
        for name in names:
            lookup = await (self._resolver.aaaa if six else self._resolver.a)(name)
            for found in self._records(lookup):
                if self._address in ipaddress.ip_network(f"{found}/{prefix}", strict=False):
                    return True
        return False

    async def _named(self, target: str) -> bool:
        """Say whether a confirmed name of the address is in a domain (section 5.5)."""
        six = self._address.version == 6
        for name in self._records(await self._resolver.ptr(str(self._address)))[:MOST_NAMES]:
            if name == target or name.endswith(f".{target}"):
                lookup = await (self._resolver.aaaa if six else self._resolver.a)(name)
                if str(self._address) in lookup.records:
                    return True
        return False

    def _count(self) -> None:
        self.found.lookups += 1
        if self.found.lookups > MOST_LOOKUPS:
            raise _Stop("permerror", f"more than {MOST_LOOKUPS} terms ask DNS")

    def _records(self, lookup: Lookup[T]) -> tuple[T, ...]:
        if lookup.missing:
            self.found.voids += 1
            if self.found.voids > MOST_VOID:
                raise _Stop("permerror", f"more than {MOST_VOID} look-ups find nothing")
        return self._believed(lookup)

    def _believed(self, lookup: Lookup[T]) -> tuple[T, ...]:
        if lookup.verdict in {Verdict.FAILED, Verdict.TIMEOUT, Verdict.BOGUS}:
            raise _Stop("temperror", str(lookup))
        return lookup.records

    def _expand(self, text: str, domain: str) -> str:
        """Return a domain with its macros filled in (section 7)."""
        values = {
            "s": f"postmaster@{self._sender}",
            "l": "postmaster",
            "o": self._sender,
            "d": domain,
            "i": _dotted(self._address),
            "p": "unknown",
            "v": "ip6" if self._address.version == 6 else "in-addr",
            "h": self._helo,
        }

        def fill(match: re.Match[str]) -> str:
            if match[5]:
                return {"%": "%", "_": " ", "-": "%20"}[match[5]]
            letter = (match[1] or "").lower()
            if letter not in values or match[2] == "0":
                raise _Stop("permerror", f"{match[0]!r} is no macro")
            parts = re.split(f"[{re.escape(match[4] or '.')}]", values[letter])
            parts = parts[::-1] if match[3] else parts
            return ".".join(parts[-int(match[2]) :] if match[2] else parts)

        expanded = _MACRO.sub(fill, text).removesuffix(".").lower()
        while len(expanded) > 253 and "." in expanded:  # section 7.3: from the left
            expanded = expanded.partition(".")[2]
        return expanded


def _dotted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if address.version == 4:
        return str(address)
    return ".".join(address.exploded.replace(":", ""))
