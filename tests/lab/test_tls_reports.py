"""A day's report travels to the domain that asked for it, by its own exchanger."""

from __future__ import annotations

import asyncio
import email
import email.policy
import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from postwicket.config import read
from postwicket.core.queue_id import QueueIds
from postwicket.delivery.tls_reporting import Sent, reporter_for
from postwicket.storage.opening import open_queue, open_store
from tests.e2e.server import until

from .laboratory import Laboratory
from .office import Office
from .postfix import open_folder

DOMAIN = "dane.lab.example"
REPORTS = f"reports@{DOMAIN}"


@pytest.fixture(scope="module")
def office(laboratory: Laboratory) -> Iterator[Office]:
    """Return a server of its own."""
    with open_folder("reporting") as folder:
        office = Office(folder, laboratory.settings())
        try:
            yield office
            office.server.stop()
        finally:
            office.server.end()


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def report(office: Office) -> list[Sent]:
    """Send today's reports, as the server does tomorrow."""

    async def send() -> list[Sent]:
        settings = read(office.server.config).settings
        store = open_store(settings.data)
        queue = open_queue(settings.data, asyncio.get_running_loop())
        try:
            reporter = reporter_for(settings, store, queue, QueueIds(1000), time.time)
            return await reporter.send(today())
        finally:
            await queue.close()
            store.close()

    return asyncio.run(send())


def test_a_domain_that_asks_for_reports_gets_one(laboratory: Laboratory, office: Office) -> None:
    assert laboratory.dane
    wish = f'"v=TLSRPTv1; rua=mailto:{REPORTS}"'
    laboratory.zones.add(f"_smtp._tls.{DOMAIN}", "TXT", wish)
    office.post(f"bob@{DOMAIN}")
    assert office.told(f"bob@{DOMAIN}")["state"] == "delivered"

    def counted() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = office.server.ask("tls-report", "show", "--domain", DOMAIN)
        return found

    (row,) = until(counted)
    assert (row["policy_type"], row["result"]) == ("tlsa", "success")
    assert row["receiving_ip"] == laboratory.dane.address
    (sent,) = report(office)
    assert (sent.domain, sent.place) == (DOMAIN, f"mailto:{REPORTS}")
    assert report(office) == []
    (mail,) = until(lambda: laboratory.dane.arrived(REPORTS))
    found = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert found["TLS-Report-Domain"] == DOMAIN
    assert found["From"] == "TLS reports <tlsrpt@mail.example.org>"
    *_, data = found.iter_parts()
    said = json.loads(gzip.decompress(data.get_content()))
    (policy,) = said["policies"]
    assert policy["policy"]["policy-string"][0].startswith("3 1 1 ")
    assert policy["summary"]["total-successful-session-count"] == 1
