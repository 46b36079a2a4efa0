"""What is hashed, and what comes of it; other programs have the last word in test_dkim_oracles."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.header import Header
from postwicket.trust.dkim import BodyHasher, relaxed_field, sign_header

from .dkim_keys import ED25519, RSA

NOTHING = hashlib.sha256(b"").digest()


def plainly(body: bytes) -> bytes:
    """Return the relaxed body as RFC 6376, section 3.4.4 says it, slowly."""
    lines = [re.sub(rb"[ \t]+", b" ", line) for line in body.split(b"\r\n")]
    lines = [line.removesuffix(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def hashed(*pieces: bytes) -> bytes:
    hasher = BodyHasher()
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


ODD = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"\t", b"  ", b"a", b"\xe4\0", b"words here"]),
    max_size=40,
).map(b"".join)


@given(ODD, st.sets(st.integers(0, 200)))
def test_pieces_may_be_cut_anywhere(body: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    assert hashed(*pieces) == hashlib.sha256(plainly(body)).digest()


@given(st.binary(max_size=300))
def test_any_octets_have_a_hash(body: bytes) -> None:
    octets = [bytes([octet]) for octet in body]
    assert hashed(*octets) == hashed(body) == hashlib.sha256(plainly(body)).digest()


def test_what_is_empty_is_empty() -> None:
    assert hashed() == hashed(b"") == hashed(b"\r\n\r\n") == hashed(b" \t\r\n ") == NOTHING


def test_an_end_of_line_is_added() -> None:
    assert hashed(b"Hello") == hashed(b"Hello \r\n\r\n\r\n") == hashed(b"Hello\r\n")


def test_an_ocean_of_empty_lines_takes_no_memory_and_counts_when_text_follows() -> None:
    hasher, piece = BodyHasher(), b"\r\n" * 50_000
    hasher.update(b"a")
    for _ in range(10):
        hasher.update(piece)
    assert hasher._tail == b""
    hasher.update(b"b\r\n")
    wanted = hashlib.sha256(b"a" + b"\r\n" * 500_000 + b"b\r\n").digest()
    assert hasher.digest() == wanted


def test_the_empty_line_before_a_stored_body_is_left_out() -> None:
    hasher = BodyHasher(separator=True)
    for piece in (b"\r", b"\n", b"\r\nHello\r\n"):
        hasher.update(piece)
    assert hasher.digest() == hashed(b"\r\nHello\r\n")


@given(st.binary(max_size=100))
def test_any_value_is_relaxed_to_one_line(value: bytes) -> None:
    relaxed = relaxed_field(b"X", value)
    assert relaxed.startswith(b"x:")
    assert b"\t" not in relaxed
    assert b"  " not in relaxed
    assert not relaxed.endswith(b" ")


def tags(field: bytes) -> dict[str, str]:
    value = field.partition(b":")[2].decode()
    pairs = [tag.partition("=") for tag in value.split(";")]
    return {name.strip(): re.sub(r"\s+", "", text) for name, _, text in pairs}


def signed(text: bytes) -> list[dict[str, str]]:
    opened = [key.opened for key in (RSA, ED25519)]
    fields = sign_header(
        Header.parse(text), hashlib.sha256(b"").digest(), opened, now=1000.9, expires=605_800.9
    )
    return [tags(field.raw) for field in Header.parse(fields).fields]


def test_a_signature_says_who_when_and_what() -> None:
    rsa, small = signed(b"From: ann@example.org\r\nSubject: tea\r\n")
    assert (rsa["a"], rsa["s"], small["a"], small["s"]) == (
        "rsa-sha256",
        "pw20261124r",
        "ed25519-sha256",
        "pw20261124e",
    )
    for one in (rsa, small):
        assert one["v"] == "1"
        assert one["d"] == "example.org"
        assert one["c"] == "relaxed/relaxed"
        assert (one["t"], one["x"]) == ("1000", "605800")
        assert one["bh"] == base64.b64encode(NOTHING).decode()
        assert "l" not in one
        assert "i" not in one
    assert len(base64.b64decode(rsa["b"])) == 256
    assert len(base64.b64decode(small["b"])) == 64


def test_sealed_fields_are_named_once_more_than_they_are_there() -> None:
    (rsa, _) = signed(
        b"Received: from a by b; now\r\nFrom: a@example.org\r\nTo: b@example.com\r\n"
        b"To: c@example.com\r\nList-Unsubscribe: <https://example.org/u>\r\nX-Odd: 1\r\n"
    )
    names = rsa["h"].split(":")
    assert names.count("from") == 2
    assert names.count("to") == 3
    assert names.count("cc") == names.count("subject") == names.count("content-type") == 1
    assert names.count("list-unsubscribe") == 2
    # A list may add these, and must be able to.
    assert {"list-id", "sender", "list-unsubscribe-post"}.isdisjoint(names)
    assert {"received", "return-path", "x-odd", "dkim-signature"}.isdisjoint(names)


def test_no_line_is_long() -> None:
    header = Header.parse(b"From: a@example.org\r\n" + b"Resent-To: b@example.com\r\n" * 100)
    fields = sign_header(header, NOTHING, [RSA.opened, ED25519.opened], now=1.0, expires=2.0)
    assert max(map(len, fields.split(b"\r\n"))) <= 78
