"""The header: nothing lost, nothing read two ways."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.header import LONGEST_NAME, Field, Header, MalformedHeader

ORDINARY = (
    b"From: Ann <ann@example.org>\r\n"
    b"SUBJECT:=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_an?=\r\n\talle\r\n"
    b"X-Empty:\r\n"
    b"Received: one\r\n"
    b"received: two\r\n"
)


def test_fields_keep_every_byte_and_their_order() -> None:
    header = Header.parse(ORDINARY)
    assert b"".join(field.raw for field in header.fields) == ORDINARY == header.raw
    assert [field.key for field in header.fields] == [
        *("from", "subject", "x-empty", "received", "received")
    ]
    assert header.fields[1].name == b"SUBJECT"


def test_values_are_unfolded_and_text_is_decoded() -> None:
    subject = Header.parse(ORDINARY).first("subject")
    assert subject is not None
    assert subject.value == b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?q?_an?=\talle"
    assert subject.text == "Grüße an\ufffdalle"
    assert Field(b"X", b"X:\r\n").value == b""


def test_fields_are_found_by_name() -> None:
    header = Header.parse(ORDINARY)
    assert [field.value for field in header.get_all("received")] == [b"one", b"two"]
    assert header.get_all("cc") == ()
    assert header.first("cc") is None


def test_there_may_be_no_field_at_all() -> None:
    assert Header.parse(b"").fields == ()


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b" a: b\r\n", "line 1 continues a field"),
        (b"A: b\r\nhello\r\n", "line 2 is neither"),
        (b"A: b\r\nFrom : c\r\n", "line 2 has white space before the colon"),
        (b"A: b\r\n c\r\nFrom\t: c\r\n", "line 3 has white space before the colon"),
        (b"From\r\n : c\r\n", "line 1 is neither"),
        (b"A: b\r\n: c\r\n", "line 2 has a field name that is empty"),
        (b"A b: c\r\n", "line 1 has a field name"),
        ("Ä: c\r\n".encode(), "line 1 has a field name"),
        (b"A\x7f: c\r\n", "line 1 has a field name"),
        (b"A" * (LONGEST_NAME + 1) + b": c\r\n", "line 1 has a name longer"),
        (b"A: b\nBcc: v@x\r\n", "line 1 has a bare LF"),
        (b"A: b\r\n \nBcc: v@x\r\n", "line 2 has a bare LF"),
        (b"A: b\rBcc: v@x\r\n", "line 1 has a bare CR"),
        (b"A: b\0\r\n", "line 1 has a NUL"),
        (b"A: b\r\n\r\nB: c\r\n", "line 2 is empty"),
        (b"A: b\r\nB: c", "line 2 does not end with CR LF"),
    ],
)
def test_what_two_readers_could_disagree_about_is_refused(raw: bytes, complaint: str) -> None:
    with pytest.raises(MalformedHeader, match=complaint):
        Header.parse(raw)


def test_the_longest_name_is_allowed() -> None:
    assert len(Header.parse(b"A" * LONGEST_NAME + b":\r\n").fields) == 1


PIECES = [b"From", b" ", b"\t", b":", b"\r\n", b"\r", b"\n", b"\0", b"\xc3\xa4", b"a", b"=?"]


@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_any_bytes_are_cut_without_loss_or_refused_with_a_reason(raw: bytes) -> None:
    try:
        header = Header.parse(raw)
    except MalformedHeader as refused:
        complaint = str(refused)
        assert re.fullmatch(r"header line \d+ \w.+", complaint)
    else:
        assert b"".join(field.raw for field in header.fields) == raw
        assert all(field.text.isprintable() for field in header.fields)


@pytest.mark.parametrize("unit", [b"a", b" ", b":", b"\r\n", b"\r\n ", b"a:\r\n", b"a\r\n", b"\r"])
def test_time_is_linear(unit: bytes) -> None:
    raw = unit * (1_000_000 // len(unit))
    started = time.perf_counter()
    with contextlib.suppress(MalformedHeader):
        Header.parse(raw)
    assert time.perf_counter() - started < 2
