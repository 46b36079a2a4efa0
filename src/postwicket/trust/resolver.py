"""The resolver: DNS asked once for what many want to know, and remembered for as long as it lives.

Questions go to a resolving name server near by; how one is asked is in `exchange`, what counts of
an answer in `records`.

Many domains are dead, and nobody may wait for them: the first try of every question has places of
its own, so that questions whose servers are silent wait among themselves.

That an answer was validated (the AD bit) is believed only with `dnssec`, with which the operator
says that the resolver is theirs, validates, and that nobody sits between it and us (RFC 7672,
section 2.1.1; RFC 6840, section 5.8 for the bits in the question).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dns.flags
import dns.message
import dns.rcode

from postwicket.core.clock import Clock

from .cache import Cache
from .exchange import exchange
from .flight import Flights
from .lookup import Lookup, MxRecord, TlsaRecord, Verdict
from .records import (
    KINDS,
    Question,
    extended_error,
    failure,
    impossible,
    question,
    read_answer,
    reverse_name,
)
from .servers import Server, Servers

FIRST_WAIT: Final = 1.5  # seconds for one server to answer; each round twice as long
ROUNDS: Final = 3
DEADLINE: Final = 15.0  # seconds for one question, whatever it meets
AT_ONCE: Final = 512  # first tries under way; as many again for those that come after
PAYLOAD: Final = 1232  # octets of a UDP answer, so that none is cut into fragments

_AS_ASKED: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})
_NO_EDNS: Final = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP})


class DnsResolver:
    """Asks DNS.  Implements `lookup.Resolver`; one of it serves one event loop."""

    def __init__(
        self,
        servers: Servers,
        clock: Clock,
        *,
        dnssec: bool = False,
        first_wait: float = FIRST_WAIT,
        deadline: float = DEADLINE,
        at_once: int = AT_ONCE,
        cache: Cache[tuple[str, str], Lookup[Any]] | None = None,
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._dnssec = dnssec
        self._first_wait = first_wait
        self._deadline = deadline
        self._known = cache if cache is not None else Cache(clock)
        self._asking = Flights[tuple[str, str], Lookup[Any]]()
        self._places = (asyncio.Semaphore(at_once), asyncio.Semaphore(at_once))

    async def mx(self, name: str) -> Lookup[MxRecord]:
        """Return the exchangers of a domain, the preferred first."""
        return await self._look(name, "MX")

    async def a(self, name: str) -> Lookup[str]:
        """Return the IPv4 addresses of a host."""
        return await self._look(name, "A")

    async def aaaa(self, name: str) -> Lookup[str]:
        """Return the IPv6 addresses of a host."""
        return await self._look(name, "AAAA")

    async def txt(self, name: str) -> Lookup[str]:
        """Return the texts at a name."""
        return await self._look(name, "TXT")

    async def tlsa(self, name: str) -> Lookup[TlsaRecord]:
        """Return the TLSA records at a name."""
        return await self._look(name, "TLSA")

    async def ptr(self, address: str) -> Lookup[str]:
        """Return the names of an IP address."""
        try:
            name = reverse_name(address)
        except ValueError:
            return impossible(address, "PTR", self._clock())
        return await self._look(name, "PTR")

    def close(self) -> None:
        """Give up what is under way."""
        self._asking.cancel()

    # --- inside ---------------------------------------------------------------------------

    async def _look(self, name: str, kind: str) -> Lookup[Any]:
        """Answer from memory, with the question that is under way, or with a new one."""
        asked = question(name, kind)
        if asked is None:
            return impossible(name, kind, self._clock())
        key = (asked.text, kind)
        known = self._known.get(key)
        if known is not None:
            return known
        return await self._asking.join(key, lambda: self._find(asked))

    async def _find(self, asked: Question) -> Lookup[Any]:
        try:
            async with asyncio.timeout(self._deadline):
                found = await self._ask_all(asked)
        except TimeoutError:
            why = f"no name server answered within {self._deadline:.0f} s"
            found = failure(asked, Verdict.TIMEOUT, why, self._clock())
        weight = 300 + sum(len(str(record)) for record in found.records)
        self._known.put((asked.text, asked.kind), found, until=found.until, weight=weight)
        return found

    async def _ask_all(self, asked: Question) -> Lookup[Any]:
        """Ask the servers in turn, patiently; return the first answer, or why there is none."""
        said = failure(asked, Verdict.TIMEOUT, "no name server answered", self._clock())
        for again in range(ROUNDS):
            wait = self._first_wait * 2**again
            failed = 0
            servers = self._servers.in_order()
            for server in servers:
                async with self._places[min(again, 1)]:
                    found = await self._ask(asked, server, wait)
                if found.found or found.missing or found.verdict is Verdict.BOGUS:
                    return found
                if found.verdict is Verdict.FAILED:
                    failed += 1
                    said = found
                else:
                    self._servers.silent(server)
                    said = found if said.verdict is Verdict.TIMEOUT else said
            if failed == len(servers):
                break  # they all know that they do not know: it helps nobody to insist
        return said

    async def _ask(self, asked: Question, server: Server, wait: float) -> Lookup[Any]:
        """Ask one server; whatever it sends, this ends in a lookup."""
        try:
            response = await self._exchange(asked, server, wait)
            if response.rcode() in _NO_EDNS:
                response = await self._exchange(asked, server, wait, edns=False)
            if response.rcode() in _AS_ASKED:
                return read_answer(asked, response, self._clock(), trusted=self._dnssec)
            return await self._explain(asked, server, response, wait)
        except TimeoutError:
            why = f"{server} did not answer within {wait:.1f} s"
            return failure(asked, Verdict.TIMEOUT, why, self._clock())
        except OSError as error:
            why = f"{server}: {error.strerror or error}"
            return failure(asked, Verdict.TIMEOUT, why[:200], self._clock())
        except Exception as error:  # noqa: BLE001 - see below
            # Hostile octets meet a large library.  What it stumbles over is this name's failure,
            # never this worker's.
            why = f"{server}: unusable answer ({type(error).__name__})"
            return failure(asked, Verdict.FAILED, why, self._clock())

    async def _exchange(
        self,
        asked: Question,
        server: Server,
        wait: float,
        *,
        edns: bool = True,
        check: bool = True,
    ) -> dns.message.Message:
        """Send one question and return its answer; raise what `exchange` raises."""
        query = dns.message.make_query(asked.name, KINDS[asked.kind])
        if edns:
            query.use_edns(0, payload=PAYLOAD)
            query.want_dnssec(self._dnssec)
        if self._dnssec:
            query.flags |= dns.flags.AD
        if not check:
            query.flags |= dns.flags.CD
        return await exchange(query, server, wait)

    async def _explain(
        self, asked: Question, server: Server, response: dns.message.Message, wait: float
    ) -> Lookup[Any]:
        """Tell forged from failed: by what the resolver says, or by asking without validation."""
        words, forged = extended_error(response)
        rcode = response.rcode()
        why = f"{server} says {dns.rcode.to_text(rcode)}" + (f" ({words})" if words else "")
        if self._dnssec and not forged and rcode == dns.rcode.SERVFAIL:
            unchecked = await self._exchange(asked, server, wait, check=False)
            forged = unchecked.rcode() in _AS_ASKED
        verdict = Verdict.BOGUS if forged else Verdict.FAILED
        return failure(asked, verdict, why, self._clock())
