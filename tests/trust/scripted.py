"""A resolver that says what a test wrote down, in the words of a zone file.

    resolver = ScriptedResolver({
        "example.com MX": "10 mx.example.com; 20 backup.example.com",
        "mx.example.com A": "192.0.2.1 secure",
        "slow.example AAAA": Verdict.TIMEOUT,
        "www.example.com CNAME": "example.com",
    })

A name of which nothing is written does not exist; of one that exists, what is not written is not
there.  `secure` at the end makes an answer validated.  `asked` is what was asked, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from postwicket.trust.lookup import Lookup, MxRecord, TlsaRecord, Verdict

UNTIL = 4_000_000_000.0
T = TypeVar("T")


class ScriptedResolver:
    """Implements `trust.lookup.Resolver`; `answers` may be changed between questions."""

    def __init__(self, answers: Mapping[str, str | Verdict], *, until: float = UNTIL) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self._until = until

    async def mx(self, name: str) -> Lookup[MxRecord]:
        """As `Resolver` says."""
        found = self._look(name, "MX")
        records = [text.split() for text in found.records]
        return _with(found, tuple(MxRecord(int(p), _name(host)) for p, host in records))

    async def a(self, name: str) -> Lookup[str]:
        """As `Resolver` says."""
        return self._look(name, "A")

    async def aaaa(self, name: str) -> Lookup[str]:
        """As `Resolver` says."""
        return self._look(name, "AAAA")

    async def txt(self, name: str) -> Lookup[str]:
        """As `Resolver` says."""
        return self._look(name, "TXT")

    async def tlsa(self, name: str) -> Lookup[TlsaRecord]:
        """As `Resolver` says."""
        found = self._look(name, "TLSA")
        return _with(found, tuple(_tlsa(text) for text in found.records))

    async def ptr(self, address: str) -> Lookup[str]:
        """As `Resolver` says."""
        return self._look(address, "PTR")

    def _look(self, asked: str, kind: str) -> Lookup[str]:
        name = _name(asked)
        self.asked.append(f"{name} {kind}")
        canonical = name
        while isinstance(alias := self.answers.get(f"{canonical} CNAME"), str):
            canonical = _name(alias)
        said = self.answers.get(f"{canonical} {kind}")
        if said is None:
            known = any(key.split()[0] == canonical for key in self.answers)
            said = Verdict.NODATA if known else Verdict.NXDOMAIN
        records: tuple[str, ...] = ()
        secure = False
        verdict = said if isinstance(said, Verdict) else Verdict.FOUND
        mark = "|" if kind == "TXT" else ";"  # texts have semicolons of their own
        if isinstance(said, str):
            secure = said.endswith(" secure")
            records = tuple(part.strip() for part in said.removesuffix(" secure").split(mark))
        return Lookup(
            name=name,
            kind=kind,
            verdict=verdict,
            records=records,
            canonical=canonical,
            secure=secure,
            until=self._until,
        )


def _with(found: Lookup[str], records: tuple[T, ...]) -> Lookup[T]:
    return replace(found, records=records)  # type: ignore[arg-type, return-value]


def _name(text: str) -> str:
    return text.lower().rstrip(".")


def _tlsa(text: str) -> TlsaRecord:
    usage, selector, matching, data = text.split()
    return TlsaRecord(int(usage), int(selector), int(matching), bytes.fromhex(data))
