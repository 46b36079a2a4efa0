"""Sending the daily TLS reports (RFC 8460): each domain that asks for one gets one.

Any number of workers and nodes may try: storage lets one of them have a domain's day.  A report
goes by mail through our own queue, or is posted over HTTPS; where a place takes neither, it is
tried again later, and after a week what was counted is forgotten.
"""

from __future__ import annotations

import asyncio
import gzip
import secrets
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final, TypeVar

from postwicket.config.settings import Settings
from postwicket.core.address import Address
from postwicket.core.clock import Clock
from postwicket.core.entry import Accepted
from postwicket.core.envelope import Demands, Envelope, Notify, Recipient, Sender
from postwicket.core.queue_id import QueueIds, spell
from postwicket.core.tls_result import TlsResult
from postwicket.message.tls_report_mail import Cover, build_report_mail
from postwicket.net.certificates import CertificateUnusable, client_context
from postwicket.net.https import HttpsFailed, Request, ask
from postwicket.storage.interfaces import Queue, StorageUnavailable, TlsReports
from postwicket.storage.values import Message, NewMessage, SmallBody
from postwicket.trust.lookup import Resolver
from postwicket.trust.mta_sts_fetch import Where
from postwicket.trust.signer import Signer
from postwicket.trust.tls_report import About, ByMail, ByWeb, Place, read_record, report, totals

from .naming import reach_for, resolver_for, web_hosts

KEPT_FOR: Final = 7  # days that what was counted can be reported
LEASE: Final = 900.0  # seconds for one domain's report
POST_TIMEOUT: Final = 60.0  # seconds
LARGEST_ANSWER: Final = 65_536  # octets of a web server's answer, of which only the status counts
LISTENER: Final = "tls-report"  # what the journal names as the way in

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one domain's report, in words for people."""

    domain: str
    place: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a reporter works with.  `where` finds the addresses of an HTTPS host."""

    reports: TlsReports
    queue: Queue
    resolver: Resolver
    where: Where
    https: Callable[[], ssl.SSLContext]
    ids: QueueIds
    clock: Clock
    disk: Executor | None = None
    signer: Signer | None = None


class TlsReporter:
    """Sends the reports of one server; `sender` is who they are from."""

    def __init__(self, means: Means, *, hostname: str, sender: Address, expire: float) -> None:
        self._means = means
        self._hostname = hostname
        self._sender = sender
        self._expire = expire
        self._done: set[str] = set()  # days of which nothing was left to send

    async def send_due(self) -> list[Sent]:
        """Send what was not sent of the days that are over; forget what is too old."""
        today = datetime.fromtimestamp(self._means.clock(), UTC).date()
        days = [(today - timedelta(days=ago)).isoformat() for ago in range(KEPT_FOR, 0, -1)]
        self._done &= set(days)
        sent = []
        for day in days:
            if day not in self._done:
                found = await self.send(day)
                sent += found
                if not found:
                    # A large site has many domains: what came to an end is not looked at again.
                    self._done.add(day)
        before = days[0]
        await self._call(partial(self._means.reports.forget_tls_results, before_day=before))
        return sent

    async def send(self, day: str) -> list[Sent]:
        """Send the reports on a day that nobody has sent or is sending."""
        results = await self._call(partial(self._means.reports.tls_results, day))
        sent = []
        for domain, some in by_domain(results):
            sent += await self._send(day, domain, some)
        return sent

    async def _send(self, day: str, domain: str, results: Sequence[TlsResult]) -> list[Sent]:
        means, now = self._means, self._means.clock()
        # Most domains want none: asking costs less than a transaction.
        wanted = await means.resolver.txt(f"_smtp._tls.{domain}")
        if not (wanted.found or wanted.missing):
            return [Sent(domain, "", f"not sent: {wanted}")]
        places = read_record(wanted.records)
        claim = partial(
            means.reports.claim_tls_report, day, domain, now=now, lease_until=now + LEASE
        )
        if not places or not await self._call(claim):
            return []
        outcomes = [await self._send_to(place, day, domain, results) for place in places]
        if any(done for done, _ in outcomes):
            await self._call(partial(means.reports.sent_tls_report, day, domain, now=now))
        told = zip(places, outcomes, strict=True)
        return [Sent(domain, str(place), outcome) for place, (_, outcome) in told]

    async def _send_to(
        self, place: Place, day: str, domain: str, results: Sequence[TlsResult]
    ) -> tuple[bool, str]:
        """Send one report; return whether that worked, and how in words."""
        about = About(
            day=day,
            domain=domain,
            submitter=self._hostname,
            contact=_wire(self._sender),
            id=f"{day}-{secrets.token_hex(6)}",
        )
        document = report(about, results)
        # Compressed in a thread: a report may be long.
        packed = await self._call(partial(gzip.compress, document, mtime=0))
        if isinstance(place, ByWeb):
            return await self._post(place, packed)
        well, badly = totals(results)
        summary = f"Sessions that went well: {well}.  Sessions that did not: {badly}."
        return await self._mail(place, about, packed, summary)

    async def _mail(
        self, place: ByMail, about: About, packed: bytes, summary: str
    ) -> tuple[bool, str]:
        means, now = self._means, self._means.clock()
        queue_id = means.ids.next(now)
        cover = Cover(
            domain=about.domain,
            submitter=about.submitter,
            day=about.day,
            summary=summary,
            sender=about.contact,
            to=_wire(place.address),
            id=about.id,
            now=now,
        )
        boundary = f"=_{secrets.token_hex(16)}"
        header, body = build_report_mail(packed, cover, boundary=boundary)
        expires = now + self._expire
        if means.signer is not None:
            header = await means.signer.sign(header, body, lives_until=expires)
        message = Message(
            id=queue_id,
            account="",
            envelope=Envelope(
                Sender(address=self._sender),
                (Recipient(place.address, frozenset({Notify.NEVER})),),
            ),
            size=len(header) + len(body),
            received=now,
            expires=expires,
            message_id=f"{about.id}@{about.submitter}",
            subject=f"Report Domain: {about.domain} Submitter: {about.submitter}",
            lane="bulk",
            demands=Demands(tls_optional=True),
        )
        await means.queue.accept(
            NewMessage(message=message, header=header, body=SmallBody(body), entry=_entry(message))
        )
        return True, f"queued as {spell(queue_id)}"

    async def _post(self, place: ByWeb, packed: bytes) -> tuple[bool, str]:
        request = Request(
            host=place.host,
            port=place.port,
            path=place.path,
            method="POST",
            headers={"Content-Type": "application/tlsrpt+gzip"},
            content=packed,
        )
        found = await self._means.where(place.host)
        # Static answers may name another port; the report's own counts where it gives one.
        addresses = [(host, place.port if place.port != 443 else port) for host, port in found]
        try:
            page = await ask(
                request,
                addresses,
                self._means.https(),
                limit=LARGEST_ANSWER,
                seconds=POST_TIMEOUT,
            )
        except (HttpsFailed, CertificateUnusable) as error:
            return False, f"not sent: {error}"
        if page.status // 100 != 2:
            return False, f"not sent: {place.host} answered {page.status}"
        return True, f"taken with {page.status}"

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._means.disk, work)


async def report_forever(
    reporter: TlsReporter, *, chance: Callable[[], float], told: Callable[[Sent], None]
) -> None:
    """Send what is due, now and then; `told` hears of each report, `chance` is from 0 to 1.

    RFC 8460, section 3 wants a random delay of up to four hours after midnight, so that the
    whole world does not report at once.
    """
    await asyncio.sleep(60 + 540 * chance())
    while True:
        try:
            for sent in await reporter.send_due():
                told(sent)
        except StorageUnavailable as error:
            told(Sent("", "", f"not sent: {error}"))
        await asyncio.sleep(3600 + 3 * 3600 * chance())


def by_domain(results: Sequence[TlsResult]) -> Iterator[tuple[str, list[TlsResult]]]:
    """Yield results of a day by domain."""
    ordered = sorted(results, key=lambda one: one.domain)
    for domain, some in groupby(ordered, key=lambda one: one.domain):
        yield domain, list(some)


def reporter_for(
    settings: Settings,
    reports: TlsReports,
    queue: Queue,
    ids: QueueIds,
    clock: Clock,
    *,
    disk: Executor | None = None,
    signer: Signer | None = None,
) -> TlsReporter:
    """Return the reporter of these settings, for one event loop."""
    resolver = resolver_for(settings, clock)
    means = Means(
        reports=reports,
        queue=queue,
        resolver=resolver,
        where=web_hosts(resolver, reach_for(settings)),
        https=partial(client_context, settings.delivery.ca),
        ids=ids,
        clock=clock,
        disk=disk,
        signer=signer,
    )
    sender = settings.tls_reports.sender or f"tlsrpt@{settings.hostname}"
    return TlsReporter(
        means,
        hostname=settings.hostname,
        sender=Address.parse(str(sender)),
        expire=settings.queue.expire,
    )


def _wire(address: Address) -> str:
    return f"{address.local}@{address.wire_domain}"


def _entry(message: Message) -> Accepted:
    return Accepted(
        at=message.received,
        message=message.id,
        account="",
        sender=message.envelope.return_path,
        recipients=1,
        size=message.size,
        listener=LISTENER,
    )
