"""From a DNS message to a `Lookup`: what counts of an answer, and for how long.

The message is hostile.  Of the answer section only the chain of aliases that begins at the
question and the records at its end are looked at (RFC 1034, section 3.6.2); everything has a
bound.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset
import idna

from .lookup import Lookup, MxRecord, TlsaRecord, Verdict

LONGEST_CHAIN: Final = 8  # aliases
MOST_RECORDS: Final = 100  # of one answer
LONGEST_TEXT: Final = 16_384  # octets of one TXT record; DKIM keys and SPF stay below 2 KiB

SHORTEST_LIFE: Final = 1.0  # seconds
LONGEST_LIFE: Final = 86_400.0
SHORTEST_NO: Final = 60.0  # seconds that "there is none" is believed, whatever its SOA says
LONGEST_NO: Final = 900.0  # RFC 2308, section 5 allows hours; a new MX should not wait for them
FAILURE_LIFE: Final = 30.0  # seconds; RFC 9520, section 3.2 wants 1 s to 5 min

# Of records none of which can be read: no certificate matches it, and that there is one still
# means that the host wants encryption (RFC 7672, section 2.2).
UNREADABLE_TLSA: Final = TlsaRecord(255, 255, 255, b"")

# Extended errors (RFC 8914, section 4) that say that DNSSEC found something wrong.
_FORGED: Final = frozenset({6, 7, 8, 9, 10, 11, 12})

KINDS: Final[Mapping[str, dns.rdatatype.RdataType]] = {
    kind: dns.rdatatype.from_text(kind) for kind in ("MX", "A", "AAAA", "TXT", "TLSA", "PTR")
}


@dataclass(frozen=True, slots=True)
class Question:
    """One name and kind; `text` is the name in lower case without its final dot."""

    text: str
    kind: str
    name: dns.name.Name


def question(text: str, kind: str) -> Question | None:
    """Return the question, or None for a name that DNS cannot know.

    >>> question("Example.COM.", "MX").text
    'example.com'
    >>> question("a..b", "MX") is None, question("x" * 64 + ".example", "A") is None
    (True, True)
    """
    bare = text.lower().removesuffix(".")
    try:
        plain = bare if bare.isascii() else idna.encode(bare, uts46=True).decode()
        if not plain or "\\" in plain or "@" in plain:
            return None
        return Question(plain, kind, dns.name.from_text(plain))
    except (dns.exception.DNSException, idna.IDNAError, ValueError):
        return None


def reverse_name(address: str) -> str:
    """Return the name under which an IP address has its PTR record; raise ValueError.

    >>> reverse_name("192.0.2.1")
    '1.2.0.192.in-addr.arpa'
    """
    return ipaddress.ip_address(address).reverse_pointer


def failure(asked: Question, verdict: Verdict, why: str, now: float) -> Lookup[Any]:
    """Return the lookup of a question that brought no answer."""
    return Lookup(
        name=asked.text,
        kind=asked.kind,
        verdict=verdict,
        canonical=asked.text,
        until=now + FAILURE_LIFE,
        why=why,
    )


def impossible(text: str, kind: str, now: float) -> Lookup[Any]:
    """Return the lookup of a name that cannot exist."""
    return Lookup(
        name=text,
        kind=kind,
        verdict=Verdict.NXDOMAIN,
        canonical=text,
        until=now + LONGEST_NO,
        why="that is no name that DNS can have",
    )


def read_answer(
    asked: Question, response: dns.message.Message, now: float, *, trusted: bool
) -> Lookup[Any]:
    """Return what a NOERROR or NXDOMAIN response says; anything else is a failure.

    `trusted` says that the resolver may be believed that it validated (its AD bit).
    """
    rcode = response.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return failure(asked, Verdict.FAILED, dns.rcode.to_text(rcode), now)
    chain = _follow(asked, response)
    if isinstance(chain, str):
        return failure(asked, Verdict.FAILED, chain, now)
    name, life = chain
    secure = trusted and bool(response.flags & dns.flags.AD)
    rrset = _rrset(response, name, KINDS[asked.kind])
    records = _read(asked.kind, rrset or ())
    if not records and asked.kind == "TLSA" and getattr(response, "errors", None):
        records = (UNREADABLE_TLSA,)
    if rcode == dns.rcode.NOERROR and records:
        life = min(life, rrset.ttl) if rrset is not None else SHORTEST_NO
        verdict, until = Verdict.FOUND, _within(life, SHORTEST_LIFE, LONGEST_LIFE)
    else:
        verdict = Verdict.NXDOMAIN if rcode == dns.rcode.NXDOMAIN else Verdict.NODATA
        until, records = _within(min(life, _negative_life(response)), SHORTEST_NO, LONGEST_NO), ()
    return Lookup(
        name=asked.text,
        kind=asked.kind,
        verdict=verdict,
        records=records,
        canonical=spelled(name),
        secure=secure,
        until=now + until,
    )


def extended_error(response: dns.message.Message) -> tuple[str, bool]:
    """Return what the resolver says of its failure, and whether it says "forged" (RFC 8914)."""
    words, forged = [], False
    for option in response.options:
        if isinstance(option, dns.edns.EDEOption):
            forged = forged or int(option.code) in _FORGED
            text = option.text or ""
            shown = "".join(c if c.isprintable() else "?" for c in text[:200])
            words.append(f"extended error {int(option.code)}" + (f": {shown}" if shown else ""))
    return "; ".join(words[:3]), forged


def spelled(name: dns.name.Name) -> str:
    """Return a name as text: lower case, no final dot; the root is empty."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def _follow(asked: Question, response: dns.message.Message) -> tuple[dns.name.Name, float] | str:
    """Return where the aliases end and how long they live, or what is wrong with them."""
    name, life, seen = asked.name, LONGEST_LIFE, {asked.name}
    while (alias := _rrset(response, name, dns.rdatatype.CNAME)) is not None:
        target = _first(alias)
        if target is None or target in seen:
            return "the aliases (CNAME) go round in a circle"
        if len(seen) > LONGEST_CHAIN:
            return f"more than {LONGEST_CHAIN} aliases (CNAME) in a row"
        seen.add(target)
        name, life = target, min(life, alias.ttl)
    return name, life


def _first(alias: dns.rrset.RRset) -> dns.name.Name | None:
    for rdata in alias:
        target = getattr(rdata, "target", None)
        return target if isinstance(target, dns.name.Name) else None
    return None


def _rrset(
    response: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    return response.get_rrset(response.answer, name, dns.rdataclass.IN, kind)


def _negative_life(response: dns.message.Message) -> float:
    """Return how long "there is none" lives, by the zone's SOA (RFC 2308, section 5)."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            for rdata in rrset:
                return float(min(rrset.ttl, getattr(rdata, "minimum", 0)))
    return SHORTEST_NO


def _within(life: float, least: float, most: float) -> float:
    return max(least, min(life, most))


def _read(kind: str, rrset: Iterable[Any]) -> tuple[Any, ...]:
    """Return the records as our values; what cannot be read is left out."""
    found = []
    for rdata in rrset:
        try:
            found.append(_READERS[kind](rdata))
        except (ValueError, AttributeError, struct.error, dns.exception.DNSException):
            continue
    found = [record for record in dict.fromkeys(found) if record is not None]
    if kind == "MX":
        found.sort(key=lambda mx: mx.preference)
    return tuple(found[:MOST_RECORDS])


def _text(rdata: Any) -> str | None:
    octets = b"".join(rdata.strings)
    return octets.decode("utf-8", "replace") if len(octets) <= LONGEST_TEXT else None


_READERS: Final[Mapping[str, Any]] = {
    "MX": lambda rdata: MxRecord(rdata.preference, spelled(rdata.exchange)),
    "A": lambda rdata: str(ipaddress.IPv4Address(rdata.address)),
    "AAAA": lambda rdata: str(ipaddress.IPv6Address(rdata.address)),
    "TXT": _text,
    "TLSA": lambda rdata: TlsaRecord(rdata.usage, rdata.selector, rdata.mtype, rdata.cert),
    "PTR": lambda rdata: spelled(rdata.target),
}
