"""PROXY protocol: the examples of its text, what it refuses, and two properties."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.net.proxy import LONGEST, SIGNATURE, ProxyFault, ProxyHeader, ProxyReader

V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 587\r\nEHLO x\r\n"


def v2(command: int, family: int, block: bytes, rest: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block + rest


TCP4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 56324, 587)
TCP6 = bytes.fromhex("20010db8" + "00" * 11 + "07" + "20010db8" + "00" * 12) + b"\xdc\x04\x02\x4b"
MAPPED = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7]) + bytes(16) + b"\xdc\x04\x02\x4b"


def read(data: bytes) -> ProxyHeader | None:
    return ProxyReader().feed(data)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (V1, ("192.0.2.7", 56324)),
        (b"PROXY TCP6 2001:DB8::7 2001:db8:: 1 587\r\nEHLO x\r\n", ("2001:db8::7", 1)),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 587\r\nEHLO x\r\n", ("192.0.2.7", 0)),
        (b"PROXY UNKNOWN\r\nEHLO x\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nEHLO x\r\n", None),
        (v2(0x21, 0x11, TCP4, b"EHLO x\r\n"), ("192.0.2.7", 56324)),
        (v2(0x21, 0x11, TCP4 + b"\x04\x00\x01\x00", b"EHLO x\r\n"), ("192.0.2.7", 56324)),
        (v2(0x21, 0x21, TCP6, b"EHLO x\r\n"), ("2001:db8::7", 56324)),
        (v2(0x21, 0x21, MAPPED, b"EHLO x\r\n"), ("192.0.2.7", 56324)),
        (v2(0x20, 0x00, b"", b"EHLO x\r\n"), None),
        (v2(0x20, 0x11, TCP4, b"EHLO x\r\n"), None),
        (v2(0x21, 0x31, bytes(216), b"EHLO x\r\n"), None),
    ],
)
def test_it_names_the_source_and_keeps_what_follows(
    data: bytes, source: tuple[str, int] | None
) -> None:
    assert read(data) == ProxyHeader(source, b"EHLO x\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO x\r\n",
        b"proxy TCP4 ",
        b"\x16\x03\x01",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 56324 587\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 56324 587\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 56324 587\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 56324 587\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 587\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 0587 587\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 587\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 587\r\n",
        b"PROXY TCP4 192.0.2.7 \xff 1 587\r\n",
        b"PROXY " + b"x" * 101,
        v2(0x11, 0x11, TCP4),
        v2(0x22, 0x11, TCP4),
        v2(0x21, 0x12, TCP4),
        v2(0x21, 0x11, TCP4[:-1]),
        v2(0x21, 0x21, TCP4),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyFault):
        read(data)


@pytest.mark.parametrize("start", [b"PROXY ", SIGNATURE + b"\x20\x00\x40\x00"])
def test_it_never_waits_for_more_than_the_longest_header(start: bytes) -> None:
    reader = ProxyReader()
    waited = 0
    try:
        while reader.feed(start[waited : waited + 1] or b"x") is None:
            waited += 1
    except ProxyFault:
        assert start == b"PROXY "
    assert waited < LONGEST


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda tail: SIGNATURE + tail))
def test_any_bytes_give_a_header_or_a_wait_or_the_declared_fault(data: bytes) -> None:
    try:
        found = read(data)
    except ProxyFault:
        return
    assert found is None or data.endswith(found.rest)


@given(
    st.sampled_from([V1, v2(0x21, 0x21, TCP6 + bytes(40), b"EHLO"), v2(0x20, 0, b"", b"X")]),
    st.sets(st.integers(0, 120)),
)
def test_the_network_may_cut_anywhere(data: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    reader = ProxyReader()
    tail = b""
    header = None
    for start, end in pairwise(edges):
        if header is None:
            header = reader.feed(data[start:end])
        else:
            tail += data[start:end]
    whole = read(data)
    assert whole is not None
    assert header is not None
    assert ProxyHeader(header.source, header.rest + tail) == whole
