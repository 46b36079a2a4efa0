"""Dates: what is read, what is refused and why."""

from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.dates import date_fault, message_date


@pytest.mark.parametrize(
    "value",
    [
        b"Tue, 01 Jan 2030 12:00:00 +0000",
        b"1 Jan 2030 12:00 GMT",
        b"tue , 1 jan 30 12 : 00 : 00 EST (comment) ",
        b"Fri, 21 Nov 97 09:55:06 -0600 (CST)",
        b"29 Feb 2028 23:59:60 Z",
        b"Mon, 1 Jan 2030 12:00:00 UTC",
    ],
)
def test_dates_old_and_new_are_read(value: bytes) -> None:
    assert date_fault(value) == ""


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"", "not of the form"),
        (b"yesterday", "not of the form"),
        (b"2030-01-01T12:00:00Z", "not of the form"),
        (b"Tue, 01 Jan 2030 12:00:00", "not of the form"),
        (b"01 Foo 2030 12:00 GMT", "no such month"),
        (b"29 Feb 2029 12:00 GMT", "no such day"),
        (b"0 Jan 2030 12:00 GMT", "no such day"),
        (b"1 Jan 0000 12:00 GMT", "no such day"),
        (b"1 Jan 2030 24:00 GMT", "no such time"),
        (b"1 Jan 2030 12:60 GMT", "no such time"),
        (b"1 Jan 2030 12:00:61 GMT", "no such time"),
        (b"1 Jan 2030 12:00 +0060", "no such zone"),
        (b"1 Jan 2030 12:00 GMT" + b" " * 200, "longer than"),
    ],
)
def test_other_values_are_faulted_in_words(value: bytes, fault: str) -> None:
    assert fault in date_fault(value)


@given(st.integers(0, 4_102_444_800))
def test_our_dates_are_right(second: int) -> None:
    value = message_date(second)
    assert date_fault(value) == ""
    assert email.utils.parsedate_to_datetime(value.decode()).timestamp() == second


@given(st.binary(max_size=210))
def test_any_bytes_are_answered(value: bytes) -> None:
    assert isinstance(date_fault(value), str)


@pytest.mark.parametrize("unit", [b" ", b"(", b"()", b"1", b"mon,"])
def test_time_is_linear(unit: bytes) -> None:
    started = time.perf_counter()
    date_fault(unit * 100_000)
    assert time.perf_counter() - started < 0.5
