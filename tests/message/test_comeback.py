"""What comes back, read from samples as servers write them, and from any bytes at all."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.comeback import Comeback, read_comeback
from postwicket.message.parts import first

SAMPLES: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "comebacks.toml").read_text()
)


def wire(sample: dict[str, Any]) -> bytes:
    text: str = sample["raw"]
    return text.replace("\n", "\r\n").encode()


def sort_of(read: Comeback) -> str:
    if read.feedback is not None:
        return "complaint"
    if read.fates:
        return "bounce"
    return "automatic" if read.automatic else "nothing"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read(name: str) -> None:
    sample = SAMPLES[name]
    read = read_comeback(wire(sample))
    assert sort_of(read) == sample["sort"]
    told = [[f.action.value, f.final, f.status, f.diagnostic, f.remote] for f in read.fates]
    assert told == sample.get("fates", [])
    if read.feedback is not None:
        report = read.feedback
        assert [report.kind.value, report.return_path, [*report.recipients]] == sample["feedback"]
    if "returned" in sample:
        assert first(read.returned, "message-id") == sample["returned"]


@pytest.mark.parametrize("name", SAMPLES)
def test_bare_line_feeds_make_no_difference(name: str) -> None:
    sample = SAMPLES[name]
    with_crlf = read_comeback(wire(sample))
    without = read_comeback(sample["raw"].encode())
    assert (with_crlf.fates, with_crlf.feedback) == (without.fates, without.feedback)


@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 3000))
def test_a_report_may_be_cut_off_anywhere(name: str, end: int) -> None:
    read_comeback(wire(SAMPLES[name])[:end])


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=6)), max_size=8),
)
def test_a_report_may_be_damaged_anywhere(name: str, damages: list[tuple[int, bytes]]) -> None:
    raw = bytearray(wire(SAMPLES[name]))
    for place, octets in damages:
        raw[place : place + len(octets)] = octets
    read = read_comeback(bytes(raw))
    assert all(fate.final.isprintable() for fate in read.fates)
    assert read.subject.isprintable()


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_read(raw: bytes) -> None:
    read_comeback(raw)


def test_what_is_long_is_read_in_time() -> None:
    hostile = (
        b"From: mailer-daemon@example.com\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        + b"--a\r\n" * 50_000
        + b"<" * 100_000
        + b"550 " * 50_000
        + (b"\r\n" + b" " * 1000) * 300
    )
    assert read_comeback(hostile).fates == ()


@pytest.mark.parametrize("charset", ["utf-8", "punycode", "idna", "unicode_escape", "utf-16"])
@pytest.mark.parametrize("piece", [b"a", b"-", b"-- copy of", b"\xc3", b"a@", b"550 ", b"--a\r\n"])
def test_a_megabyte_of_anything_is_read_in_a_second(charset: str, piece: bytes) -> None:
    """Who gets one message of ours may send so much, and a worker reads nothing else meanwhile."""
    kind = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode()
    hostile = b"From: mailer-daemon@example.com\r\n" + kind + piece * (1_048_576 // len(piece))
    began = time.process_time()
    read_comeback(hostile)
    assert time.process_time() - began < 1.0
