"""Reports of a day: who gets one, by mail or over HTTPS, and only once."""

from __future__ import annotations

import asyncio
import email
import email.policy
import gzip
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postwicket.core.address import Address
from postwicket.core.queue_id import QueueIds
from postwicket.core.tls_result import TlsResult
from postwicket.delivery.tls_reporting import Means, TlsReporter, report_forever
from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import client_context, server_context
from postwicket.storage.bodies import BodyStore
from postwicket.storage.memory import Memory, MemoryQueue
from postwicket.storage.memory_store import MemoryStore
from postwicket.storage.values import Message
from postwicket.trust.lookup import Verdict
from tests.net.web_host import WebHost, answer
from tests.trust.scripted import ScriptedResolver

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC).timestamp()
DAY = "2026-11-24"
WELL = TlsResult(day=DAY, domain="example.com", policy_type="no-policy-found", count=7)
BADLY = replace(WELL, result="starttls-not-supported", receiving_mx="mx.example.com", count=2)
OTHER = replace(WELL, domain="example.net")
TXT = "_smtp._tls.example.com TXT"


@pytest.fixture(scope="module")
def own() -> Iterator[Authority]:
    """Make a certificate for the report host once."""
    with TemporaryDirectory() as folder:
        yield ensure_authority(Path(folder), "tls.example.com")


@dataclass
class Here:
    """Storage, DNS and clock, and a reporter for each node."""

    folder: Path
    own: Authority
    now: float = NOW
    host: WebHost = field(default_factory=WebHost)
    resolver: ScriptedResolver = field(default_factory=lambda: ScriptedResolver({}))
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = Memory(BodyStore(self.folder))
        self.queue = MemoryQueue(self.memory, asyncio.get_running_loop())
        self.store = MemoryStore(self.memory)
        self.ids = QueueIds(1)
        self.queue.count_tls([WELL, BADLY, OTHER])

    async def where(self, host: str) -> Sequence[tuple[str, int]]:
        """Answer for DNS."""
        self.asked.append(host)
        return [self.host.address]

    def reporter(self) -> TlsReporter:
        """Return another node's reporter."""
        means = Means(
            reports=self.store,
            queue=self.queue,
            resolver=self.resolver,
            where=self.where,
            https=lambda: client_context(self.own.ca),
            ids=self.ids,
            clock=lambda: self.now,
        )
        sender = Address.parse("tlsrpt@mail.example.org")
        return TlsReporter(means, hostname="mail.example.org", sender=sender, expire=86_400.0)

    async def send(self) -> list[str]:
        """Send what is due; return what came of it."""
        found = await self.reporter().send_due()
        return [f"{one.place} {one.outcome.partition(' ')[0]}" for one in found]

    @property
    def queued(self) -> list[Message]:
        """What is in the queue."""
        return list(self.memory.messages.values())


def play(
    folder: Path, own: Authority, story: Callable[[Here], Coroutine[None, None, None]]
) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            await story(Here(folder, own))

    asyncio.run(run())


def test_by_mail_once(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=mailto:reports@example.com"
        assert await here.send() == ["mailto:reports@example.com queued"]
        assert await here.send() == []
        (message,) = here.queued
        assert message.envelope.return_path == "tlsrpt@mail.example.org"
        assert str(message.envelope.recipients[0].address) == "reports@example.com"
        assert message.lane == "bulk"
        assert message.demands.tls_optional
        whole = b"".join(here.queue.content(message.id).pieces())
        assert len(whole) == message.size
        read = email.message_from_bytes(whole, policy=email.policy.default)
        *_, data = read.iter_parts()
        said = json.loads(gzip.decompress(data.get_content()))
        assert said["policies"][0]["summary"]["total-successful-session-count"] == 7
        assert said["policies"][0]["failure-details"][0]["failed-session-count"] == 2
        assert said["report-id"] in read["Subject"]

    play(tmp_path, own, story)


def test_over_https(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=https://tls.example.com/v1?k=1"
        here.host.says = answer(status="201 Created")
        async with here.host.listening(server_context(own.certificate, own.key)):
            assert await here.send() == ["https://tls.example.com/v1?k=1 taken"]
            assert await here.send() == []
        (heard,) = here.host.heard
        head, _, packed = heard.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v1?k=1 HTTP/1.1\r\n")
        assert b"content-type: application/tlsrpt+gzip" in head.lower()
        assert json.loads(gzip.decompress(packed))["organization-name"] == "mail.example.org"
        assert here.queued == []

    play(tmp_path, own, story)


def test_what_a_host_does_not_take_is_tried_again(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=https://tls.example.com/"
        here.host.says = answer(status="503 Busy")
        async with here.host.listening(server_context(own.certificate, own.key)):
            assert await here.send() == ["https://tls.example.com/ not"]
            assert await here.send() == [], "somebody has it, for a while"
            here.now += 3600
            here.host.says = answer(status="200 OK")
            assert await here.send() == ["https://tls.example.com/ taken"]
            here.now += 3600
            assert await here.send() == []

    play(tmp_path, own, story)


def test_a_domain_that_wants_none_is_asked_once(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        reporter = here.reporter()
        assert await reporter.send_due() == []
        here.now += 7200
        assert await reporter.send_due() == []
        asked = [name for name in here.resolver.asked if "example.com" in name]
        assert asked == [TXT]

    play(tmp_path, own, story)


def test_a_day_that_came_to_its_end_is_not_looked_at_again(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=mailto:reports@example.com"
        reporter = here.reporter()
        asked = []
        for _ in range(4):
            await reporter.send_due()
            asked.append(here.resolver.asked.count(TXT))
            here.now += 3600
        assert asked == [1, 2, 2, 2]
        assert len(here.queued) == 1

    play(tmp_path, own, story)


def test_a_domain_whose_wish_cannot_be_heard_is_asked_again(
    tmp_path: Path, own: Authority
) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = Verdict.TIMEOUT
        assert await here.send() == [" not"]
        here.now += 3600
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=mailto:reports@example.com"
        assert await here.send() == ["mailto:reports@example.com queued"]

    play(tmp_path, own, story)


def test_the_day_has_to_be_over_and_not_long_past(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=mailto:reports@example.com"
        here.now = NOW - 86_400
        assert await here.send() == []
        here.now = NOW + 7 * 86_400
        assert await here.send() == []
        assert here.store.tls_results(DAY) == []

    play(tmp_path, own, story)


def test_two_nodes_send_one_report(tmp_path: Path, own: Authority) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=mailto:reports@example.com"
        found = await asyncio.gather(*(here.send() for _ in range(5)))
        assert sum(map(len, found)) == 1
        assert len(here.queued) == 1

    play(tmp_path, own, story)


def test_the_chore_goes_on(
    tmp_path: Path, own: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(here: Here) -> None:
        here.resolver.answers[TXT] = "v=TLSRPTv1; rua=mailto:reports@example.com"
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) > 2:
                raise asyncio.CancelledError

        monkeypatch.setattr("postwicket.delivery.tls_reporting.asyncio.sleep", sleep)
        told: list[str] = []
        with pytest.raises(asyncio.CancelledError):
            await report_forever(
                here.reporter(), chance=lambda: 0.5, told=lambda sent: told.append(sent.domain)
            )
        assert told == ["example.com"]
        assert pauses == [330.0, 9000.0, 9000.0]

    play(tmp_path, own, story)
