"""What DNS said to one question, and who can be asked.

A `Lookup` is always an answer, never an exception: that there is no such name, that nobody
answered in time and that the answer was forged are different things, and different things follow
from them.  `Resolver` is what the rest of the server asks; `trust.resolver` is the one that asks
DNS, `trust.static` the one that knows some names from the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Verdict(Enum):
    """How a question ended; the value is what people read."""

    FOUND = "found"
    NODATA = "the name exists, but has no such record"
    NXDOMAIN = "there is no such name"
    FAILED = "the name servers failed"
    TIMEOUT = "the name servers did not answer in time"
    BOGUS = "the answer is forged, or its signatures are broken"


@dataclass(frozen=True, kw_only=True)  # no slots: in Python 3.11 they break `Lookup[str](...)`
class Lookup(Generic[T]):
    """The answer to one question.

    `name` is what was asked for, `canonical` where its aliases end: both lower case, A-labels,
    without a final dot.  `records` is empty unless the verdict is `FOUND`.  `until` is when it
    has to be asked again (seconds since 1970).  `secure` is True only for what a resolver that
    the operator trusts has validated, also that there is nothing.  `why` has words for people
    where something failed.  `port` is set where a static answer names one.
    """

    name: str
    kind: str
    verdict: Verdict
    records: tuple[T, ...] = ()
    canonical: str = ""
    secure: bool = False
    until: float = 0.0
    why: str = ""
    port: int | None = None

    @property
    def found(self) -> bool:
        """True when there are records."""
        return self.verdict is Verdict.FOUND

    @property
    def missing(self) -> bool:
        """True when there certainly is no such record; False also where nobody knows."""
        return self.verdict is Verdict.NODATA or self.verdict is Verdict.NXDOMAIN

    def __str__(self) -> str:
        return f"{self.name} {self.kind}: {self.why or self.verdict.value}"


@dataclass(frozen=True, slots=True, order=True)
class MxRecord:
    """One exchanger; the empty name is the root, which says "no mail" (RFC 7505)."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """What a certificate has to be (RFC 6698, section 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes


class Resolver(Protocol):
    """Who can be asked.

    Names come with or without a final dot, in any case, as A-labels.  Nothing raises: a name
    that cannot exist has the verdict `NXDOMAIN`.  Every question ends within some 20 seconds.
    """

    async def mx(self, name: str) -> Lookup[MxRecord]:
        """Return the exchangers of a domain, the preferred first."""
        ...

    async def a(self, name: str) -> Lookup[str]:
        """Return the IPv4 addresses of a host."""
        ...

    async def aaaa(self, name: str) -> Lookup[str]:
        """Return the IPv6 addresses of a host."""
        ...

    async def txt(self, name: str) -> Lookup[str]:
        """Return the texts at a name, each with its strings joined; no UTF-8 becomes U+FFFD."""
        ...

    async def tlsa(self, name: str) -> Lookup[TlsaRecord]:
        """Return the TLSA records at a name like `_25._tcp.mx.example.net`."""
        ...

    async def ptr(self, address: str) -> Lookup[str]:
        """Return the names of an IP address; `name` is the question, `1.2.0.192.in-addr.arpa`."""
        ...
