"""Names that the operator has answered: `[[host]]` entries, in front of DNS.

A name with an entry has the addresses of its entries and no others, and no MX record: mail for it
goes to these addresses.  Everything else about it, and every other name, DNS is asked for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from .lookup import Lookup, MxRecord, Resolver, TlsaRecord, Verdict

FOR_EVER: Final = float("inf")


class StaticHost(NamedTuple):
    """One entry: a name, its IP address, and a port where that is not the usual one."""

    name: str
    address: str
    port: int | None = None


class StaticResolver:
    """Answers from entries, asks another resolver for the rest.  Implements `lookup.Resolver`.

    What the operator wrote counts as validated.  Of entries with one name and one kind of
    address, those with the first one's port are used.
    """

    def __init__(self, entries: Iterable[StaticHost], behind: Resolver) -> None:
        self._behind = behind
        self._names: set[str] = set()
        self._answers: dict[tuple[str, str], tuple[list[str], int | None]] = {}
        for entry in entries:
            name = _plain(entry.name)
            kind = "AAAA" if ipaddress.ip_address(entry.address).version == 6 else "A"
            self._names.add(name)
            addresses, port = self._answers.setdefault((name, kind), ([], entry.port))
            if port == entry.port:
                addresses.append(entry.address)

    async def mx(self, name: str) -> Lookup[MxRecord]:
        """Return that there is none, for a name with an entry."""
        return self._own(name, "MX") or await self._behind.mx(name)

    async def a(self, name: str) -> Lookup[str]:
        """Return the IPv4 addresses of the entries."""
        return self._own(name, "A") or await self._behind.a(name)

    async def aaaa(self, name: str) -> Lookup[str]:
        """Return the IPv6 addresses of the entries."""
        return self._own(name, "AAAA") or await self._behind.aaaa(name)

    async def txt(self, name: str) -> Lookup[str]:
        """Ask the other resolver."""
        return await self._behind.txt(name)

    async def tlsa(self, name: str) -> Lookup[TlsaRecord]:
        """Ask the other resolver."""
        return await self._behind.tlsa(name)

    async def ptr(self, address: str) -> Lookup[str]:
        """Ask the other resolver."""
        return await self._behind.ptr(address)

    def _own(self, asked: str, kind: str) -> Lookup[Any] | None:
        name = _plain(asked)
        if name not in self._names:
            return None
        addresses, port = self._answers.get((name, kind), ([], None))
        return Lookup(
            name=name,
            kind=kind,
            verdict=Verdict.FOUND if addresses else Verdict.NODATA,
            records=tuple(addresses),
            canonical=name,
            secure=True,
            until=FOR_EVER,
            port=port,
        )


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")
