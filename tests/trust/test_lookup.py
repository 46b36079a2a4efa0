"""Lookups: what they say of themselves, and that the test double keeps to the protocol."""

from __future__ import annotations

import asyncio

import pytest

from postwicket.trust.lookup import Lookup, MxRecord, Resolver, TlsaRecord, Verdict

from .scripted import ScriptedResolver


@pytest.mark.parametrize(
    ("verdict", "found", "missing"),
    [
        (Verdict.FOUND, True, False),
        (Verdict.NODATA, False, True),
        (Verdict.NXDOMAIN, False, True),
        (Verdict.FAILED, False, False),
        (Verdict.TIMEOUT, False, False),
        (Verdict.BOGUS, False, False),
    ],
)
def test_only_a_certain_no_is_a_no(verdict: Verdict, found: bool, missing: bool) -> None:
    lookup = Lookup[str](name="example.com", kind="A", verdict=verdict)
    assert (lookup.found, lookup.missing) == (found, missing)


def test_a_lookup_tells_what_was_asked_and_how_it_ended() -> None:
    failed = Lookup[str](name="example.com", kind="MX", verdict=Verdict.FAILED, why="SERVFAIL")
    nothing = Lookup[str](name="example.com", kind="MX", verdict=Verdict.NXDOMAIN)
    assert str(failed) == "example.com MX: SERVFAIL"
    assert str(nothing) == "example.com MX: there is no such name"


def test_exchangers_sort_by_preference() -> None:
    records = [MxRecord(20, "a.example"), MxRecord(5, "b.example"), MxRecord(10, "c.example")]
    assert [mx.exchange for mx in sorted(records)] == ["b.example", "c.example", "a.example"]


def test_the_scripted_resolver_says_what_was_written() -> None:
    resolver: Resolver = ScriptedResolver(
        {
            "example.com MX": "10 mx.example.com; 20 backup.example.com. secure",
            "mx.example.com CNAME": "host.example.com",
            "host.example.com A": "192.0.2.1",
            "host.example.com AAAA": Verdict.TIMEOUT,
            "_25._tcp.mx.example.com TLSA": "3 1 1 c0ffee secure",
        }
    )

    async def ask() -> None:
        mx = await resolver.mx("Example.COM.")
        assert mx.records == (MxRecord(10, "mx.example.com"), MxRecord(20, "backup.example.com"))
        assert mx.secure
        address = await resolver.a("mx.example.com")
        assert (address.records, address.canonical) == (("192.0.2.1",), "host.example.com")
        assert not address.secure
        assert (await resolver.aaaa("mx.example.com")).verdict is Verdict.TIMEOUT
        assert (await resolver.txt("example.com")).verdict is Verdict.NODATA
        assert (await resolver.ptr("192.0.2.1")).verdict is Verdict.NXDOMAIN
        tlsa = await resolver.tlsa("_25._tcp.mx.example.com")
        assert tlsa.records == (TlsaRecord(3, 1, 1, bytes.fromhex("c0ffee")),)

    asyncio.run(ask())
