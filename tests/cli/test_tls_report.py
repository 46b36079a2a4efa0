"""postwicket tls-report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from postwicket.core.tls_result import TlsResult
from postwicket.storage.opening import open_queue

from .office import Office

TODAY = datetime.now(UTC).date().isoformat()
WELL = TlsResult(
    day=TODAY,
    domain="example.com",
    policy_type="sts",
    policy=("version: STSv1",),
    receiving_mx="mx.example.com",
    count=3,
)


def count(office: Office, *results: TlsResult) -> None:
    office.data.mkdir(exist_ok=True)

    async def store() -> None:
        queue = open_queue(office.data, asyncio.get_running_loop())
        queue.count_tls(results)
        await queue.close()

    asyncio.run(store())


def test_a_day_for_people_and_for_programs(office: Office) -> None:
    other = TlsResult(
        day=TODAY, domain="example.net", policy_type="no-policy-found", result="success"
    )
    count(office, WELL, other)
    assert office("tls-report", "show").out.splitlines() == [
        "DOMAIN\tPOLICY\tEXCHANGER\tRESULT\tSESSIONS",
        "example.com\tsts\tmx.example.com\tsuccess\t3",
        "example.net\tno-policy-found\t\tsuccess\t1",
    ]
    (one,) = office.json("tls-report", "show", "--domain", "Example.com", "--day", TODAY)
    assert one["policy"] == ["version: STSv1"]
    assert one["count"] == 3


def test_another_day_has_nothing(office: Office) -> None:
    count(office, WELL)
    said = office("tls-report", "show", "--day", "yesterday")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert (said.status, said.out) == (0, "")
    assert said.err == f"nothing was counted on {yesterday}\n"
    assert office.json("tls-report", "show", "--day", "2001-01-01") == []


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "24.11.2026"])
def test_what_is_no_day(office: Office, day: str) -> None:
    said = office("tls-report", "show", "--day", day)
    assert said.status == 2
    assert "is no day; write it as" in said.err
