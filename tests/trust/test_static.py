"""`[[host]]` entries in front of DNS."""

from __future__ import annotations

import asyncio

from postwicket.trust.lookup import Resolver, Verdict
from postwicket.trust.static import StaticHost, StaticResolver

from .scripted import ScriptedResolver

BEHIND = {
    "mx.example.com A": "192.0.2.1",
    "mx.example.com AAAA": "2001:db8::1",
    "mx.example.com MX": "10 elsewhere.example",
    "mx.example.com TXT": "text",
    "_25._tcp.mx.example.com TLSA": "3 1 1 c0",
    "other.example A": "192.0.2.2",
}


def test_a_name_with_an_entry_has_its_addresses_and_no_others() -> None:
    async def run() -> None:
        behind = ScriptedResolver(BEHIND)
        entries = [
            StaticHost("MX.example.com.", "127.0.0.1", 2525),
            StaticHost("mx.example.com", "127.0.0.2", 2525),
            StaticHost("mx.example.com", "127.0.0.3", 2626),
        ]
        resolver: Resolver = StaticResolver(entries, behind)
        found = await resolver.a("mx.EXAMPLE.com")
        assert (found.records, found.port) == (("127.0.0.1", "127.0.0.2"), 2525)
        assert (found.canonical, found.secure) == ("mx.example.com", True)
        assert (await resolver.aaaa("mx.example.com")).verdict is Verdict.NODATA
        assert (await resolver.mx("mx.example.com")).verdict is Verdict.NODATA
        assert behind.asked == []

    asyncio.run(run())


def test_the_rest_is_asked_for() -> None:
    async def run() -> None:
        resolver = StaticResolver([StaticHost("mx.example.com", "::1")], ScriptedResolver(BEHIND))
        assert (await resolver.a("other.example")).records == ("192.0.2.2",)
        assert (await resolver.mx("other.example")).verdict is Verdict.NODATA
        assert (await resolver.txt("mx.example.com")).records == ("text",)
        assert (await resolver.tlsa("_25._tcp.mx.example.com")).found
        assert (await resolver.ptr("192.0.2.1")).verdict is Verdict.NXDOMAIN
        assert (await resolver.aaaa("mx.example.com")).records == ("::1",)
        assert (await resolver.aaaa("mx.example.com")).port is None

    asyncio.run(run())
