"""The resolver against a real name server on loopback: what it asks, believes and remembers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from postwicket.trust.cache import Cache
from postwicket.trust.lookup import MxRecord, TlsaRecord, Verdict
from postwicket.trust.resolver import DnsResolver
from postwicket.trust.servers import Server, Servers

from .name_server import Answers, NameServer, Said, name_server, response, zone


class Time:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return now."""
        return self.now


def ask(
    answers: Answers,
    questions: Callable[[DnsResolver, NameServer, Time], Awaitable[None]],
    *,
    dnssec: bool = False,
    first_wait: float = 3.0,
    deadline: float = 10.0,
) -> None:
    """Run questions against a resolver whose only name server gives these answers."""

    async def run() -> None:
        clock = Time()
        async with name_server(answers) as server:
            resolver = DnsResolver(
                Servers([server.place], clock),
                clock,
                dnssec=dnssec,
                first_wait=first_wait,
                deadline=deadline,
            )
            await questions(resolver, server, clock)
            resolver.close()

    asyncio.run(run())


def test_every_kind_of_record_arrives_as_a_value() -> None:
    records = zone(
        "example.com. 300 IN MX 20 Backup.example.com.",
        "example.com. 300 IN MX 10 mx.example.com.",
        "null.example. 300 IN MX 0 .",
        "mx.example.com. 300 IN A 192.0.2.1",
        "mx.example.com. 300 IN AAAA 2001:DB8::1",
        'example.com. 300 IN TXT "v=spf1 " "-all"',
        "_25._tcp.mx.example.com. 300 IN TLSA 3 1 1 " + "C0" * 32,
        "1.2.0.192.in-addr.arpa. 300 IN PTR Mail.example.com.",
    )

    async def questions(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        mx = await resolver.mx("Example.com.")
        assert mx.records == (MxRecord(10, "mx.example.com"), MxRecord(20, "backup.example.com"))
        assert (mx.name, mx.canonical, mx.found) == ("example.com", "example.com", True)
        assert (await resolver.mx("null.example")).records == (MxRecord(0, ""),)
        assert (await resolver.a("mx.example.com")).records == ("192.0.2.1",)
        assert (await resolver.aaaa("mx.example.com")).records == ("2001:db8::1",)
        assert (await resolver.txt("example.com")).records == ("v=spf1 -all",)
        tlsa = await resolver.tlsa("_25._tcp.mx.example.com")
        assert tlsa.records == (TlsaRecord(3, 1, 1, bytes.fromhex("c0" * 32)),)
        assert (await resolver.ptr("192.0.2.1")).records == ("mail.example.com",)
        assert {transport for _, _, transport in server.asked} == {"UDP"}

    ask(records, questions)


def test_no_such_name_and_no_such_record_are_two_things() -> None:
    async def questions(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        assert (await resolver.mx("here.example")).verdict is Verdict.NODATA
        assert (await resolver.mx("nowhere.example")).verdict is Verdict.NXDOMAIN

    ask(zone("here.example. 300 IN A 192.0.2.1"), questions)


def test_aliases_are_followed_and_their_end_is_told() -> None:
    records = zone(
        "www.example. 300 IN CNAME Host.example.",
        "host.example. 60 IN A 192.0.2.1",
        "dangling.example. 300 IN CNAME nowhere.example.",
    )

    async def questions(resolver: DnsResolver, _: NameServer, clock: Time) -> None:
        found = await resolver.a("www.example")
        assert (found.records, found.canonical) == (("192.0.2.1",), "host.example")
        assert found.until == clock.now + 60  # the shortest life of the chain
        dangling = await resolver.a("dangling.example")
        assert (dangling.verdict, dangling.canonical) == (Verdict.NXDOMAIN, "nowhere.example")

    ask(records, questions)


@pytest.mark.parametrize(
    "records",
    [
        ["a.example. 300 IN CNAME b.example.", "b.example. 300 IN CNAME a.example."],
        ["a.example. 300 IN CNAME a.example."],
        [f"{x}.example. 300 IN CNAME {y}.example." for x, y in zip("abcdefghij", "bcdefghijk")],  # noqa: B905
    ],
)
def test_aliases_without_end_are_a_failure(records: list[str]) -> None:
    async def questions(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        found = await resolver.a("a.example")
        assert found.verdict is Verdict.FAILED
        assert "CNAME" in found.why

    ask(zone(*records), questions)


def test_what_does_not_fit_into_a_packet_is_fetched_over_tcp_and_has_a_bound() -> None:
    many = [
        f"big.example. 300 IN MX {i} host{i:04}.some-longer-domain.example." for i in range(900)
    ]

    async def questions(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        found = await resolver.mx("big.example")
        assert len(found.records) == 100
        assert found.records[0] == MxRecord(0, "host0000.some-longer-domain.example")
        assert [transport for _, _, transport in server.asked] == ["UDP", "TCP"]

    ask(zone(*many), questions)


def test_a_giant_text_is_left_out() -> None:
    giant = " ".join(['"' + "x" * 250 + '"'] * 200)
    records = zone(f"t.example. 300 IN TXT {giant}", 't.example. 300 IN TXT "small"')

    async def questions(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        assert (await resolver.txt("t.example")).records == ("small",)

    ask(records, questions)


@pytest.mark.parametrize(
    ("rcode", "word"),
    [(dns.rcode.SERVFAIL, "SERVFAIL"), (dns.rcode.REFUSED, "REFUSED")],
)
def test_a_failure_is_no_no_and_not_asked_again_at_once(rcode: dns.rcode.Rcode, word: str) -> None:
    def answers(query: dns.message.QueryMessage, _: bool) -> list[Said]:
        return [response(query, rcode=rcode)]

    async def questions(resolver: DnsResolver, server: NameServer, clock: Time) -> None:
        found = await resolver.mx("example.com")
        assert (found.verdict, found.missing) == (Verdict.FAILED, False)
        assert word in found.why
        await resolver.mx("example.com")
        assert len(server.asked) == 1
        clock.now += 31
        await resolver.mx("example.com")
        assert len(server.asked) == 2

    ask(answers, questions)


def test_silence_is_a_time_out() -> None:
    def silent(_: dns.message.QueryMessage, __: bool) -> list[Said]:
        return []

    async def questions(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        began = time.monotonic()
        found = await resolver.mx("example.com")
        assert found.verdict is Verdict.TIMEOUT
        assert time.monotonic() - began < 3.0
        assert len(server.asked) == 3  # each round waits longer
        assert "127.0.0.1" in found.why

    ask(silent, questions, first_wait=0.05)


def test_a_question_has_a_deadline() -> None:
    def silent(_: dns.message.QueryMessage, __: bool) -> list[Said]:
        return []

    async def questions(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        began = time.monotonic()
        assert (await resolver.mx("example.com")).verdict is Verdict.TIMEOUT
        assert 0.2 < time.monotonic() - began < 3.0

    ask(silent, questions, first_wait=5.0, deadline=0.3)


def test_another_server_is_asked_when_one_fails_or_is_silent() -> None:
    def failing(query: dns.message.QueryMessage, _: bool) -> list[Said]:
        return [response(query, rcode=dns.rcode.SERVFAIL)]

    async def run() -> None:
        clock = Time()
        good = zone("example.com. 300 IN A 192.0.2.1", "example.net. 300 IN A 192.0.2.1")
        async with name_server(failing) as first, name_server(good) as second:
            nobody = Server("127.0.0.1", 1)
            servers = Servers([nobody, first.place, second.place], clock)
            resolver = DnsResolver(servers, clock, first_wait=0.1)
            assert (await resolver.a("example.com")).records == ("192.0.2.1",)
            assert servers.in_order()[-1] == nobody  # it was silent: the others go before it

    asyncio.run(run())


def test_only_a_trusted_resolver_is_believed_that_it_validated() -> None:
    records = zone("example.com. 300 IN A 192.0.2.1", validated=True)

    async def trusting(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        assert (await resolver.a("example.com")).secure
        assert (await resolver.mx("example.com")).secure  # that there is none, too
        assert server.queries[0].flags & dns.flags.AD
        assert server.queries[0].ednsflags & dns.flags.DO

    async def doubting(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        assert not (await resolver.a("example.com")).secure
        assert not server.queries[0].flags & dns.flags.AD

    ask(records, trusting, dnssec=True)
    ask(records, doubting)
    unsigned = zone("example.com. 300 IN A 192.0.2.1")

    async def insecure(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        assert not (await resolver.a("example.com")).secure

    ask(unsigned, insecure, dnssec=True)


def test_forged_is_told_from_failed() -> None:
    def validating(query: dns.message.QueryMessage, _: bool) -> list[Said]:
        if query.flags & dns.flags.CD:
            return [response(query, "example.com. 300 IN A 192.0.2.66")]
        return [response(query, rcode=dns.rcode.SERVFAIL)]

    def explaining(query: dns.message.QueryMessage, _: bool) -> list[Said]:
        said = response(query, rcode=dns.rcode.SERVFAIL)
        said.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "bad sig")])
        return [said]

    async def questions(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        found = await resolver.a("example.com")
        assert (found.verdict, found.records) == (Verdict.BOGUS, ())

    async def words(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        found = await resolver.a("example.com")
        assert found.verdict is Verdict.BOGUS
        assert "bad sig" in found.why

    ask(validating, questions, dnssec=True)
    ask(explaining, words)


def test_a_server_that_knows_no_edns_is_asked_without() -> None:
    def old(query: dns.message.QueryMessage, _: bool) -> list[Said]:
        if query.edns >= 0:
            said = response(query, rcode=dns.rcode.FORMERR)
            said.use_edns(None)
            return [said]
        return [response(query, "example.com. 300 IN A 192.0.2.1")]

    async def questions(resolver: DnsResolver, _: NameServer, __: Time) -> None:
        assert (await resolver.a("example.com")).records == ("192.0.2.1",)

    ask(old, questions)


def test_many_who_ask_the_same_ask_once_and_one_who_leaves_takes_nothing_away() -> None:
    async def questions(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        tasks = [asyncio.create_task(resolver.a("example.com")) for _ in range(50)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        found = await asyncio.gather(*tasks[1:])
        assert {lookup.records for lookup in found} == {("192.0.2.1",)}
        assert tasks[0].cancelled()
        assert len(server.asked) == 1

    ask(zone("example.com. 300 IN A 192.0.2.1"), questions)


@pytest.mark.parametrize(
    ("record", "negative", "name", "life"),
    [
        ("example.com. 0 IN A 192.0.2.1", 0, "example.com", 1),
        ("example.com. 300 IN A 192.0.2.1", 0, "example.com", 300),
        ("example.com. 604800 IN A 192.0.2.1", 0, "example.com", 86_400),
        ("example.com. 300 IN A 192.0.2.1", 5, "nowhere.example", 60),
        ("example.com. 300 IN A 192.0.2.1", 300, "nowhere.example", 300),
        ("example.com. 300 IN A 192.0.2.1", 86_400, "nowhere.example", 900),
    ],
)
def test_answers_live_as_long_as_they_say_within_bounds(
    record: str, negative: int, name: str, life: int
) -> None:
    async def questions(resolver: DnsResolver, server: NameServer, clock: Time) -> None:
        assert (await resolver.a(name)).until == clock.now + life
        clock.now += life - 0.5
        await resolver.a(name)
        assert len(server.asked) == 1
        clock.now += 1
        await resolver.a(name)
        assert len(server.asked) == 2

    ask(zone(record, negative=negative), questions)


@pytest.mark.parametrize(
    "name", ["", ".", "a..b", "x" * 64 + ".example", "a." * 130 + "example", "a\\.b", "-\u2603-.x"]
)
def test_a_name_that_cannot_exist_is_not_asked_for(name: str) -> None:
    async def questions(resolver: DnsResolver, server: NameServer, _: Time) -> None:
        assert (await resolver.mx(name)).verdict is Verdict.NXDOMAIN
        assert (await resolver.ptr(name)).verdict is Verdict.NXDOMAIN
        assert server.asked == []

    ask(zone(), questions)


def test_questions_to_the_silent_do_not_keep_others_waiting() -> None:
    good = zone("alive.example. 300 IN A 192.0.2.1")

    def answers(query: dns.message.QueryMessage, tcp: bool) -> list[Said]:
        dead = query.question[0].name.to_text().startswith("dead")
        return [] if dead else list(good(query, tcp))

    async def run() -> None:
        clock = Time()
        async with name_server(answers) as server:
            servers = Servers([server.place], clock)
            resolver = DnsResolver(servers, clock, first_wait=0.8, at_once=4)
            dead = [asyncio.create_task(resolver.a(f"dead{i}.example")) for i in range(8)]
            await asyncio.sleep(2.0)  # all have had their first try; four wait for the second
            began = time.monotonic()
            assert (await resolver.a("alive.example")).found
            assert time.monotonic() - began < 0.8  # the second tries go on for longer
            assert not any(task.done() for task in dead)
            resolver.close()
            await asyncio.gather(*dead, return_exceptions=True)

    asyncio.run(run())


def test_the_memory_of_answers_is_bounded_in_number_and_weight() -> None:
    clock = Time()
    cache = Cache[str, int](clock, entries=3, octets=100)
    for number, name in enumerate("abcd"):
        cache.put(name, number, until=clock.now + 10)
    assert [cache.get(name) for name in "abcd"] == [None, 1, 2, 3]
    cache.put("heavy", 5, until=clock.now + 10, weight=99)
    assert (cache.get("heavy"), cache.get("d"), len(cache)) == (5, 3, 2)
    cache.put("heavier", 6, until=clock.now + 10, weight=101)
    assert (cache.get("heavier"), len(cache)) == (None, 2)
    assert cache.get("d") == 3  # used: it stays longer than the rest
    cache.put("e", 7, until=clock.now + 10, weight=2)
    assert (cache.get("heavy"), cache.get("d"), cache.get("e")) == (None, 3, 7)
