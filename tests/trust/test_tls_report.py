"""Who wants TLS reports, and what they say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.tls_result import TlsResult
from postwicket.trust.tls_report import MOST_PLACES, About, ByMail, ByWeb, read_record, report

ABOUT = About(
    day="2026-11-24",
    domain="example.com",
    submitter="mail.example.org",
    contact="tlsrpt@mail.example.org",
    id="1",
)
WELL = TlsResult(
    day="2026-11-24",
    domain="example.com",
    policy_type="sts",
    policy=("version: STSv1", "mode: enforce"),
    mx_patterns=("*.example.com",),
    sending_ip="192.0.2.1",
    receiving_mx="mx.example.com",
    receiving_ip="192.0.2.2",
    count=10,
)
EXPIRED = replace(WELL, result="certificate-expired", count=2)
UNKNOWN = replace(WELL, result="sts-policy-fetch-error", policy=(), mx_patterns=(), count=1)


@pytest.mark.parametrize(
    ("texts", "places"),
    [
        (["v=TLSRPTv1; rua=mailto:a@example.com"], ["mailto:a@example.com"]),
        (["v=TLSRPTv1;rua=mailto:a@example.com;"], ["mailto:a@example.com"]),
        (["v=TLSRPTv1; future=1; rua = mailto:a@example.com"], ["mailto:a@example.com"]),
        (
            ["v=TLSRPTv1; rua=mailto:a@example.com, https://tls.example.com/v1?x=y"],
            ["mailto:a@example.com", "https://tls.example.com/v1?x=y"],
        ),
        (["v=TLSRPTv1; rua=https://tls.example.com:8443"], ["https://tls.example.com:8443/"]),
        (["v=TLSRPTv1; rua=mailto:a%2Bb@example.com?subject=x"], ["mailto:a+b@example.com"]),
        (["unrelated", "v=TLSRPTv1; rua=mailto:a@example.com"], ["mailto:a@example.com"]),
        (["v=TLSRPTv1; rua=mailto:a@example.com"] * 2, []),
        (["v=TLSRPTv2; rua=mailto:a@example.com"], []),
        (["v=TLSRPTv1"], []),
        (["v=TLSRPTv1; rua="], []),
        (["v=TLSRPTv1; rua=ftp://tls.example.com/"], []),
        (["v=TLSRPTv1; rua=http://tls.example.com/"], []),
        (["v=TLSRPTv1; rua=https://user@tls.example.com/"], []),
        (["v=TLSRPTv1; rua=https://127.0.0.1/"], []),
        (["v=TLSRPTv1; rua=https://[::1]/"], []),
        (["v=TLSRPTv1; rua=https://localhost/"], []),
        (["v=TLSRPTv1; rua=https://tls.example.com:99999/"], []),
        (["v=TLSRPTv1; rua=mailto:a%0D%0ARCPT@example.com"], []),
        (["v=TLSRPTv1; rua=mailto:%C3%A4@example.com"], []),
        (["v=TLSRPTv1; rua=mailto:nobody"], []),
        ([], []),
    ],
)
def test_where_reports_go(texts: list[str], places: list[str]) -> None:
    assert [str(place) for place in read_record(texts)] == places


def test_not_everywhere_at_once() -> None:
    many = ",".join(f"mailto:a{number}@example.com" for number in range(20))
    assert len(read_record([f"v=TLSRPTv1; rua={many}"])) == MOST_PLACES


def test_a_report() -> None:
    said = json.loads(report(ABOUT, [WELL, EXPIRED, UNKNOWN]))
    assert said["organization-name"] == "mail.example.org"
    assert said["date-range"] == {
        "start-datetime": "2026-11-24T00:00:00Z",
        "end-datetime": "2026-11-24T23:59:59Z",
    }
    first, second = said["policies"]
    assert first["policy"] == {
        "policy-type": "sts",
        "policy-domain": "example.com",
        "policy-string": ["version: STSv1", "mode: enforce"],
        "mx-host": ["*.example.com"],
    }
    assert first["summary"] == {
        "total-successful-session-count": 10,
        "total-failure-session-count": 2,
    }
    assert first["failure-details"] == [
        {
            "result-type": "certificate-expired",
            "sending-mta-ip": "192.0.2.1",
            "receiving-mx-hostname": "mx.example.com",
            "receiving-ip": "192.0.2.2",
            "failed-session-count": 2,
        }
    ]
    assert second["policy"] == {"policy-type": "sts", "policy-domain": "example.com"}
    assert second["summary"]["total-failure-session-count"] == 1


def test_nothing_failed_and_no_details() -> None:
    (policy,) = json.loads(report(ABOUT, [replace(WELL, policy_type="no-policy-found")]))[
        "policies"
    ]
    assert "failure-details" not in policy


@given(st.lists(st.text(max_size=80), max_size=3), st.text(max_size=80))
def test_any_texts_are_places_or_none(texts: list[str], rest: str) -> None:
    for place in read_record([*texts, "v=TLSRPTv1; rua=" + rest]):
        if isinstance(place, ByWeb):
            assert place.path.startswith("/")
            assert place.path.isprintable()
            assert "." in place.host
        else:
            assert isinstance(place, ByMail)
            assert place.address.local.isascii()
