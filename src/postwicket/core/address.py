"""Mailbox addresses (RFC 5321 section 4.1.2, RFC 6531): parsed once at the edge, then trusted.

An `Address` keeps the spelling it was given, because mail is delivered to that spelling; it
compares by `canonical`, because people and policies mean the mailbox.  A form that two servers
could read differently (source routes, comments, a second @) does not become an address.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import idna

LONGEST_LOCAL_PART: Final = 64  # octets; RFC 5321, section 4.5.3.1.1
LONGEST_DOMAIN: Final = 255  # octets; RFC 5321, section 4.5.3.1.2
LONGEST_ADDRESS: Final = 254  # octets; a path is 256 with its angle brackets, 4.5.3.1.3

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]"
_DOT_STRING: Final = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING: Final = re.compile(
    r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"'
)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# IDNA maps these to dots, and who does not know that sees one label.
_DOT_LOOKALIKES: Final = frozenset("\u3002\uff0e\uff61")
_SAFE_UNQUOTED: Final = re.compile(rf'"({_ATEXT}+(?:\.{_ATEXT}+)*)"')


@dataclass(frozen=True, slots=True, eq=False)
class Address:
    """A mailbox: local part as it was spelled, domain in lower case.

    >>> Address.parse("Ann@Example.ORG")
    Address(local='Ann', domain='example.org')
    >>> Address.parse("ann@example.org") == Address.parse("ANN@example.org")
    True
    """

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address in `text`, or raise ValueError saying what is wrong."""
        return _parse(text)

    @property
    def canonical(self) -> str:
        """The one spelling by which mailboxes are compared: NFC, lower case, A-labels.

        >>> Address.parse('"Ann"@Bücher.example').canonical
        'ann@xn--bcher-kva.example'
        """
        return _canonical(self.local, self.domain)

    @property
    def wire_domain(self) -> str:
        """The domain as DNS knows it: A-labels, or a literal in brackets."""
        return _wire_domain(self.domain)

    @property
    def is_ascii(self) -> bool:
        """True when the address travels without SMTPUTF8 as it is."""
        return self.local.isascii() and self.domain.isascii()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


# Senders repeat and recipients often do; the cache is bounded, so hostile input cannot grow it.
@lru_cache(maxsize=8192)
def _parse(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not (local and at and domain):
        raise ValueError(f"{text[:80]!r} is not an address: it needs a name, an @ and a domain")
    if not (_DOT_STRING.fullmatch(local) or _QUOTED_STRING.fullmatch(local)):
        raise ValueError(f"{text[:80]!r} is not an address: the part before the @ is malformed")
    if len(local.encode()) > LONGEST_LOCAL_PART:
        raise ValueError(f"the part before the @ is longer than {LONGEST_LOCAL_PART} octets")
    if len(text.encode()) > LONGEST_ADDRESS:
        raise ValueError(f"the address is longer than {LONGEST_ADDRESS} octets")
    if not local.isascii() and not _all_printable(local):
        raise ValueError("the part before the @ has a control or formatting character")
    return Address(local, parse_domain(domain))


def parse_domain(text: str) -> str:
    """Return a domain name or address literal in lower case, or raise ValueError.

    >>> parse_domain("Example.ORG"), parse_domain("[IPv6:2001:DB8::1]")
    ('example.org', '[IPv6:2001:db8::1]')
    """
    if text.startswith("["):
        return _parse_literal(text)
    name = text.lower()
    if len(text) > LONGEST_DOMAIN:
        raise ValueError(f"the domain is longer than {LONGEST_DOMAIN} octets")
    if _HOST_NAME.fullmatch(name):
        return name
    if name.isascii() or not _DOT_LOOKALIKES.isdisjoint(name):
        raise ValueError(f"{text[:80]!r} is not a domain name")
    try:
        # The U-label is kept for people; encoding proves that it has an A-label for DNS.
        idna.encode(name, uts46=True)
    except idna.IDNAError as error:
        raise ValueError(f"{text[:80]!r} is not a domain name: {error}") from None
    return unicodedata.normalize("NFC", name)


def _parse_literal(text: str) -> str:
    inside = text[1:-1]
    if not text.endswith("]"):
        raise ValueError("an address literal ends with a bracket")
    tag, colon, rest = inside.partition(":")
    if "%" in inside:
        # Python reads anything at all behind it as the zone; RFC 5321, 4.1.3 knows no zones.
        raise ValueError("an address literal has no zone")
    if colon and tag.lower() == "ipv6":
        return f"[IPv6:{ipaddress.IPv6Address(rest)}]"
    return f"[{ipaddress.IPv4Address(inside)}]"


@lru_cache(maxsize=8192)
def _canonical(local: str, domain: str) -> str:
    plain = _SAFE_UNQUOTED.fullmatch(local)
    name = unicodedata.normalize("NFC", plain[1] if plain else local).lower()
    return f"{name}@{_wire_domain(domain)}"


def _wire_domain(domain: str) -> str:
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()


def _all_printable(text: str) -> bool:
    # Category C: controls, formatting (zero width, right-to-left override), unassigned.
    return not any(unicodedata.category(char).startswith(("C", "Z")) for char in text)
