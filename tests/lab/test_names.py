"""Our resolver and a validating one: what is signed, forged, unsigned, missing, silent."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from postwicket.delivery.destination import Destination
from postwicket.delivery.exchangers import Rules, find_destination
from postwicket.net.reach import Reach
from postwicket.smtp.client.answer import Answer
from postwicket.trust.lookup import Verdict
from postwicket.trust.resolver import DnsResolver
from postwicket.trust.servers import Server, Servers

from .laboratory import Laboratory
from .zones import ADDRESS, BOGUS, LAME, ROOT, SILENT, UNSIGNED

DOMAIN = f"names.{ROOT}"
MX = f"mx.{DOMAIN}"
Found = TypeVar("Found")


@pytest.fixture(scope="module")
def laboratory(laboratory: Laboratory) -> Laboratory:
    """Return the laboratory with a domain whose names take a few turns."""
    laboratory.zones.add_all(
        {
            (DOMAIN, "MX"): (f"10 {MX}.", f"20 alias.{DOMAIN}."),
            (MX, "A"): ("127.0.0.5",),
            (f"alias.{DOMAIN}", "CNAME"): (f"{MX}.",),
            (f"_25._tcp.{MX}", "TLSA"): ("3 1 1 " + "AB" * 32,),
            (f"here.{DOMAIN}", "TXT"): ('"v=spf1 " "-all"',),
        }
    )
    laboratory.zones.add(f"names.{UNSIGNED}", "MX", f"10 {MX}.")
    return laboratory


def asking(
    laboratory: Laboratory, work: Callable[[DnsResolver], Awaitable[Found]], *, trusted: bool
) -> Found:
    """Run `work` with a resolver that asks the laboratory's."""
    assert laboratory.validator is not None
    server = Server(ADDRESS, laboratory.validator.port)

    async def run() -> Found:
        servers = Servers([server], time.time)
        resolver = DnsResolver(servers, time.time, dnssec=trusted, first_wait=0.3, deadline=3.0)
        return await work(resolver)

    return asyncio.run(run())


def find(laboratory: Laboratory, domain: str, *, trusted: bool = True) -> Destination | Answer:
    rules = Rules(
        hostname="us.example",
        reach=Reach([ipaddress.ip_network("127.0.0.0/8")]),
        clock=time.time,
        sample=random.sample,
    )
    return asking(
        laboratory, lambda resolver: find_destination(domain, resolver, rules), trusted=trusted
    )


@pytest.mark.parametrize("trusted", [True, False])
def test_a_signed_domain_is_secure_for_who_trusts_the_resolver(
    laboratory: Laboratory, trusted: bool
) -> None:
    found = find(laboratory, DOMAIN, trusted=trusted)
    assert isinstance(found, Destination)
    assert found.secure is trusted
    assert [(one.name, one.canonical, one.secure) for one in found.exchangers] == [
        (MX, MX, trusted),
        (f"alias.{DOMAIN}", MX, trusted),
    ]


def test_an_unsigned_domain_is_not_wherever_its_exchanger_is(laboratory: Laboratory) -> None:
    found = find(laboratory, f"names.{UNSIGNED}")
    assert isinstance(found, Destination)
    assert not found.secure
    assert not found.exchangers[0].secure


def test_tlsa_and_text_come_validated(laboratory: Laboratory) -> None:
    tlsa = asking(laboratory, lambda asked: asked.tlsa(f"_25._tcp.{MX}"), trusted=True)
    assert tlsa.secure
    assert tlsa.records[0].data == bytes.fromhex("ab" * 32)
    text = asking(laboratory, lambda asked: asked.txt(f"here.{DOMAIN}"), trusted=True)
    assert (text.records, text.secure) == (("v=spf1 -all",), True)
    missing = asking(laboratory, lambda asked: asked.tlsa(f"_26._tcp.{MX}"), trusted=True)
    assert missing.missing
    assert missing.secure  # that there is none is proved, too


@pytest.mark.parametrize("trusted", [True, False])
def test_signatures_that_are_over_are_forged_and_nothing_else(
    laboratory: Laboratory, trusted: bool
) -> None:
    mx = asking(laboratory, lambda asked: asked.mx(BOGUS), trusted=trusted)
    assert (mx.verdict, mx.records) == (Verdict.BOGUS, ())
    assert "[dns.bogus]" in str(find(laboratory, BOGUS, trusted=trusted))


@pytest.mark.parametrize(
    ("domain", "rule"),
    [
        (f"x.{LAME}", "dns.failure"),
        (f"x.{SILENT}", "dns.timeout"),
        (f"nobody.{ROOT}", "dns.no-such-domain"),
        ("elsewhere.example", "dns.no-such-domain"),
        (f"here.{DOMAIN}", "dns.no-mail-host"),
    ],
)
def test_each_way_to_know_nothing(laboratory: Laboratory, domain: str, rule: str) -> None:
    assert str(find(laboratory, domain)).endswith(f"[{rule}]")
