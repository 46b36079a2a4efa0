"""Where mail for a domain goes, for everything that DNS may say."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.delivery.destination import Destination
from postwicket.delivery.exchangers import (
    MOST_EXCHANGERS,
    Destinations,
    Rules,
    find_destination,
)
from postwicket.net.reach import Reach
from postwicket.policy.cause import cause_of
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.trust.lookup import Lookup, MxRecord, Resolver, Verdict
from postwicket.trust.static import StaticHost, StaticResolver

from ..trust.scripted import ScriptedResolver

OWN = "8.8.4.4"
REACH = Reach(
    [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")],
    [("0.0.0.0", 25)],
    local=lambda address: address == OWN,
)


class Time:
    """A clock that only moves when told."""

    now = 1_000_000.0

    def __call__(self) -> float:
        """Return now."""
        return self.now


def as_given(records: Sequence[Any], count: int) -> list[Any]:
    return list(records)[:count]


def rules(**more: Any) -> Rules:
    usual: dict[str, Any] = {
        "hostname": "us.example",
        "reach": REACH,
        "clock": Time(),
        "sample": as_given,
    }
    return Rules(**(usual | more))


def find(
    says: Mapping[str, str | Verdict] | Resolver, domain: str = "example.com", **more: Any
) -> Destination | Answer:
    resolver = ScriptedResolver(says) if isinstance(says, Mapping) else says
    return asyncio.run(find_destination(domain, resolver, rules(**more)))


def names(found: Destination | Answer) -> list[str]:
    assert isinstance(found, Destination), str(found)
    return [exchanger.name for exchanger in found.exchangers]


def addresses(found: Destination | Answer) -> list[str]:
    assert isinstance(found, Destination), str(found)
    return [target.address for one in found.exchangers for target in one.addresses]


def no(found: Destination | Answer) -> tuple[int, str, str]:
    assert isinstance(found, Answer), found
    assert found.stage is Stage.ROUTE
    assert found.ours
    assert found.reply is not None
    return found.reply.code, found.reply.enhanced, found.reply.rule


def test_exchangers_come_by_preference_and_by_chance_where_that_is_equal() -> None:
    says = {
        "example.com MX": "20 c.example; 10 a.example; 10 b.example; 30 d.example",
        **{f"{x}.example A": f"192.0.2.{n}" for n, x in enumerate("abcd")},
    }
    assert names(find(says)) == ["a.example", "b.example", "c.example", "d.example"]
    turned = find(says, sample=lambda records, count: list(records)[::-1][:count])
    assert names(turned) == ["b.example", "a.example", "c.example", "d.example"]


def test_a_domain_without_exchangers_is_its_own() -> None:
    found = find({"example.com A": "192.0.2.1", "example.com AAAA": "2001:db8::1"})
    assert isinstance(found, Destination)
    assert found.implicit
    assert names(found) == ["example.com"]
    assert addresses(found) == ["2001:db8::1", "192.0.2.1"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Verdict.NXDOMAIN, (550, "5.1.2", "dns.no-such-domain")),
        (Verdict.FAILED, (451, "4.4.3", "dns.failure")),
        (Verdict.TIMEOUT, (451, "4.4.3", "dns.timeout")),
        (Verdict.BOGUS, (451, "4.4.3", "dns.bogus")),
        (Verdict.NODATA, (550, "5.1.2", "dns.no-mail-host")),
        ("0 .", (556, "5.1.10", "dns.null-mx")),
        ("10 .", (556, "5.1.10", "dns.null-mx")),
        ("10 nowhere.example", (451, "4.4.4", "dns.no-exchanger-address")),
        ("10 private.example", (550, "5.4.4", "route.forbidden-address")),
        ("10 us.example", (554, "5.4.6", "route.loop")),
        ("10 own-address.example", (554, "5.4.6", "route.loop")),
        ("10 slow.example", (451, "4.4.3", "dns.timeout")),
        ("10 broken.example", (451, "4.4.3", "dns.failure")),
        ("10 bogus.example", (451, "4.4.3", "dns.bogus")),
        ("10 a\\000b.example", (451, "4.4.4", "dns.no-exchanger-address")),
        # What may be there tomorrow goes before what will never be.
        ("10 private.example; 20 slow.example", (451, "4.4.3", "dns.timeout")),
        ("10 slow.example; 20 us.example", (451, "4.4.3", "dns.timeout")),
    ],
)
def test_every_way_to_find_nothing_has_its_own_answer(
    said: str | Verdict, expected: tuple[int, str, str]
) -> None:
    says: dict[str, str | Verdict] = {
        "example.com MX": said,
        "private.example A": "10.0.0.1",
        "private.example AAAA": "::1",
        "us.example A": "192.0.2.1",
        "own-address.example A": OWN,
        "slow.example A": Verdict.TIMEOUT,
        "broken.example A": Verdict.FAILED,
        "bogus.example AAAA": Verdict.BOGUS,
    }
    found = find(says)
    assert no(found) == expected
    assert "example.com" in str(found)


def test_causes_tell_dns_from_a_wrong_address() -> None:
    def cause(said: Verdict) -> str:
        found = find({"example.com MX": said})
        assert isinstance(found, Answer)
        return cause_of(found).value

    assert cause(Verdict.TIMEOUT) == cause(Verdict.FAILED) == cause(Verdict.BOGUS) == "dns"
    assert cause(Verdict.NXDOMAIN) == "recipient"


def test_a_null_record_beside_others_means_nothing() -> None:
    found = find({"example.com MX": "0 .; 10 mx.example", "mx.example A": "192.0.2.1"})
    assert names(found) == ["mx.example"]


def test_where_we_are_an_exchanger_we_and_what_is_not_preferred_drop_out() -> None:
    says = {
        "example.com MX": "5 a.example; 10 US.example.; 10 b.example; 20 c.example",
        **{f"{x}.example A": f"192.0.2.{n}" for n, x in enumerate("abc")},
        "us.example A": "192.0.2.9",
    }
    found = find(says)
    assert names(found) == ["a.example"]
    assert isinstance(found, Destination)
    assert any("this server is an exchanger" in note for note in found.left_out)
    by_address = {**says, "example.com MX": "5 a.example; 10 b.example; 20 c.example"}
    by_address["b.example A"] = f"192.0.2.7; {OWN}"
    assert names(find(by_address)) == ["a.example"]


def test_our_own_name_is_known_in_either_spelling() -> None:
    says = {"example.com MX": "10 xn--bcher-kva.example", "xn--bcher-kva.example A": "192.0.2.1"}
    assert no(find(says, hostname="bücher.example"))[2] == "route.loop"
    assert no(find(says, hostname="xn--bcher-kva.example"))[2] == "route.loop"


def test_an_exchanger_that_cannot_be_used_is_left_out_with_the_reason() -> None:
    found = find(
        {
            "example.com MX": "10 private.example; 20 slow.example; 30 mx.example",
            "private.example A": "127.0.0.1",
            "slow.example A": Verdict.TIMEOUT,
            "mx.example A": "192.0.2.1; 10.0.0.1",
        }
    )
    assert names(found) == ["mx.example"]
    assert addresses(found) == ["192.0.2.1"]
    assert isinstance(found, Destination)
    assert "private.example is left out: 127.0.0.1 is loopback" in found.left_out
    assert any("slow.example is left out" in note for note in found.left_out)


def test_aliases_are_followed_and_the_name_on_the_wire_stays() -> None:
    found = find(
        {
            "example.com CNAME": "real.example",
            "real.example MX": "10 alias.example secure",
            "alias.example CNAME": "host.example",
            "host.example A": "192.0.2.1 secure",
            "host.example AAAA": "2001:db8::1 secure",
        }
    )
    assert isinstance(found, Destination)
    assert (found.domain, found.canonical, found.secure) == ("example.com", "real.example", True)
    (exchanger,) = found.exchangers
    assert (exchanger.name, exchanger.canonical) == ("alias.example", "host.example")
    assert exchanger.secure


def test_an_exchanger_is_secure_only_if_everything_on_the_way_to_it_is() -> None:
    for mx, a, secure in ((" secure", " secure", True), ("", " secure", False)):
        found = find(
            {
                "example.com MX": f"10 mx.example{mx}",
                "mx.example A": f"192.0.2.1{a}",
                "mx.example AAAA": f"2001:db8::1{a}",
            }
        )
        assert isinstance(found, Destination)
        assert (found.exchangers[0].secure, found.secure) == (secure, mx != "")
    for kept_back in (Verdict.BOGUS, Verdict.FAILED, Verdict.TIMEOUT):
        found = find(
            {
                "example.com MX": "10 mx.example secure",
                "mx.example A": "192.0.2.1 secure",
                "mx.example AAAA": kept_back,
            }
        )
        assert isinstance(found, Destination)
        assert found.exchangers[0].secure  # nobody turns DANE off by keeping an answer back
    half = find(
        {
            "example.com MX": "10 mx.example secure",
            "mx.example A": "192.0.2.1",
            "mx.example AAAA": "2001:db8::1 secure",
        }
    )
    assert isinstance(half, Destination)
    assert not half.exchangers[0].secure


def test_names_are_a_labels_for_machines_and_u_labels_for_people() -> None:
    says = {"xn--bcher-kva.example MX": "10 mx.example", "mx.example A": "192.0.2.1"}
    for spelled in ("xn--bcher-kva.example", "bücher.example"):
        found = find(says, spelled)
        assert isinstance(found, Destination)
        assert (found.domain, found.shown) == ("xn--bcher-kva.example", "bücher.example")
    assert "bücher.example" in str(find({}, "xn--bcher-kva.example"))
    # No A-label of anything: it is shown as it is.
    assert "xn--a-ecp" in str(find({}, "xn--a-ecp.ru-.example"))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("prefer-ipv6", ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]),
        ("prefer-ipv4", ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "192.0.2.3"]),
        ("ipv6", ["2001:db8::1", "2001:db8::2"]),
        ("ipv4", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
    ],
)
def test_families_alternate_as_the_policy_wants(policy: str, expected: list[str]) -> None:
    says = {
        "example.com A": "192.0.2.1; 192.0.2.2; 192.0.2.3",
        "example.com AAAA": "2001:db8::1; 2001:db8::2",
    }
    assert addresses(find(says, ip=policy)) == expected


def test_what_is_tried_has_bounds() -> None:
    says = {
        "example.com MX": "; ".join(f"{n} mx{n}.example" for n in range(500)),
        **{f"mx{n}.example A": "; ".join(f"192.0.2.{i}" for i in range(100)) for n in range(500)},
    }
    resolver = ScriptedResolver(says)
    found = find(resolver)
    assert names(found) == [f"mx{n}.example" for n in range(MOST_EXCHANGERS)]
    assert len(addresses(found)) == MOST_EXCHANGERS * 6
    assert len(resolver.asked) == 1 + 2 * MOST_EXCHANGERS


def test_address_literals_are_destinations_without_a_question() -> None:
    resolver = ScriptedResolver({})
    found = find(resolver, "[192.0.2.1]")
    assert addresses(found) == ["192.0.2.1"]
    assert names(found) == ["[192.0.2.1]"]
    assert addresses(find(resolver, "[IPv6:2001:db8::1]")) == ["2001:db8::1"]
    assert resolver.asked == []
    assert no(find(resolver, "[127.0.0.1]")) == (550, "5.4.4", "route.forbidden-address")
    assert no(find(resolver, "[IPv6:::1]")) == (550, "5.4.4", "route.forbidden-address")
    assert no(find(resolver, f"[{OWN}]")) == (554, "5.4.6", "route.loop")
    assert no(find(resolver, "[example]"))[0] == 550


def test_a_host_entry_is_the_exchanger_of_its_own_name_with_its_own_port() -> None:
    behind = ScriptedResolver({"example.com MX": "10 elsewhere.example"})
    resolver = StaticResolver([StaticHost("example.com", "192.0.2.1", 2525)], behind)
    found = find(resolver)
    assert isinstance(found, Destination)
    assert found.implicit
    assert [target.port for target in found.exchangers[0].addresses] == [2525]
    assert behind.asked == []


def test_all_questions_about_a_domain_share_a_deadline() -> None:
    class Slow(ScriptedResolver):
        async def mx(self, name: str) -> Lookup[MxRecord]:
            """Take a minute."""
            await asyncio.sleep(60)
            return await super().mx(name)

    began = time.monotonic()
    assert no(find(Slow({}), deadline=0.05)) == (451, "4.4.3", "dns.timeout")
    assert time.monotonic() - began < 1


def test_a_destination_is_found_once_while_its_records_live() -> None:
    async def run() -> None:
        clock = Time()
        resolver = ScriptedResolver({"example.com A": "192.0.2.1"}, until=clock.now + 60)
        destinations = Destinations(resolver, rules(clock=clock))
        assert destinations.known("example.com") is None
        first, second = await asyncio.gather(
            destinations.find("example.com"), destinations.find("example.com")
        )
        assert first is second is destinations.known("example.com")
        assert await destinations.find("example.com") is first
        assert len(resolver.asked) == 3  # MX, A and AAAA
        assert isinstance(await destinations.find("nowhere.example"), Answer)
        assert isinstance(destinations.known("nowhere.example"), Answer)
        clock.now += 60
        assert destinations.known("example.com") is None
        destinations.close()

    asyncio.run(run())


VERDICTS = st.sampled_from([verdict for verdict in Verdict if verdict is not Verdict.FOUND])
HOSTS = st.sampled_from(["", "us.example", "a.example", "b.example", "c.example", "\\255.x", "-"])
MX = st.lists(st.tuples(st.integers(0, 65_535), HOSTS), min_size=1, max_size=8)
ADDRESSES = st.lists(st.ip_addresses(), min_size=1, max_size=4)


class Anything:
    """A resolver that says whatever was drawn.  Implements `lookup.Resolver` as far as needed."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def _says(self, name: str, kind: str, records: st.SearchStrategy[tuple[Any, ...]]) -> Any:
        said = self._data.draw(st.one_of(VERDICTS, records))
        found = isinstance(said, tuple)
        return Lookup(
            name=name,
            kind=kind,
            verdict=Verdict.FOUND if found else said,
            records=said if found else (),
            canonical=name,
            secure=self._data.draw(st.booleans()),
            until=self._data.draw(st.floats(0, 1e10)),
            why=self._data.draw(st.text(max_size=20)),
        )

    async def mx(self, name: str) -> Any:
        """Say any exchangers."""
        return self._says(name, "MX", MX.map(lambda two: tuple(MxRecord(*one) for one in two)))

    async def a(self, name: str) -> Any:
        """Say any addresses, of any family."""
        return self._says(name, "A", ADDRESSES.map(lambda some: tuple(map(str, some))))

    async def aaaa(self, name: str) -> Any:
        """Say any addresses, of any family."""
        return await self.a(name)


@given(st.data(), st.text(max_size=30))
def test_anything_that_dns_says_ends_in_a_destination_or_an_answer(
    data: st.DataObject, domain: str
) -> None:
    found = find(Anything(data), domain)  # type: ignore[arg-type]
    if isinstance(found, Answer):
        assert no(found)[0] in {451, 550, 554, 556}
        return
    assert found.exchangers
    preferences = [one.preference for one in found.exchangers]
    assert preferences == sorted(preferences)
    for one in found.exchangers:
        assert 0 < len(one.addresses) <= 6
        assert one.name != "us.example"
        for target in one.addresses:
            assert REACH.objection(target.address, target.port) == ""
