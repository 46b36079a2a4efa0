"""The contract of what is counted for TLS reports, and of who sends them."""

from __future__ import annotations

from dataclasses import replace

from postwicket.core.tls_result import TlsResult
from postwicket.storage.interfaces import Queue

from .conftest import Kept
from .making import NOW

FINE = TlsResult(
    day="2026-11-24",
    domain="example.com",
    policy_type="sts",
    policy=("version: STSv1", "mode: enforce"),
    mx_patterns=("*.example.com",),
    sending_ip="192.0.2.1",
    receiving_mx="mx.example.com",
    receiving_ip="192.0.2.2",
)
EXPIRED = replace(FINE, result="certificate-expired")
OTHER = replace(FINE, domain="a.example", policy_type="no-policy-found", policy=())
EARLIER = replace(FINE, day="2026-11-23")


def test_equal_sessions_of_a_day_are_one_count(kept: Kept) -> None:
    async def first(queue: Queue) -> None:
        queue.count_tls([FINE, EXPIRED, FINE])
        queue.count_tls([OTHER, replace(FINE, count=3), EARLIER])
        queue.count_tls([])

    async def second(queue: Queue) -> None:
        queue.count_tls([EXPIRED])

    kept.run(first)
    kept.run(second)
    counted = [OTHER, replace(EXPIRED, count=2), replace(FINE, count=5)]
    assert kept.store.tls_results("2026-11-24") == counted
    assert kept.store.tls_results("2026-11-23") == [EARLIER]
    kept.store.forget_tls_results(before_day="2026-11-24")
    assert kept.store.tls_results("2026-11-23") == []
    assert len(kept.store.tls_results("2026-11-24")) == 3


def test_one_node_sends_a_report_unless_it_dies_over_it(kept: Kept) -> None:
    def claim(now: float, domain: str = "example.com") -> bool:
        return kept.store.claim_tls_report("2026-11-24", domain, now=now, lease_until=now + 600)

    assert claim(NOW)
    assert not claim(NOW + 599)
    assert claim(NOW, "a.example")
    assert claim(NOW + 600)
    kept.store.sent_tls_report("2026-11-24", "example.com", now=NOW + 601)
    assert not claim(NOW + 9999)
    kept.store.sent_tls_report("2026-11-24", "b.example", now=NOW)
    assert not claim(NOW + 9999, "b.example")
    kept.store.forget_tls_results(before_day="2026-11-25")
    assert claim(NOW + 9999)
