"""Encoded words: read leniently, safe to print; written so that others can read them."""

from __future__ import annotations

import email.header
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.encoded_words import decode_words, encode_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?a_b?=", "a b"),
        ("=?UTF-8*de?B?w7w=?=", "ü"),
        ("=?iso-8859-1?q?=FC?= x =?utf-8?q?=C3=BC?=", "ü x ü"),
        ("=?utf-8?b?w7?= =?utf-8?b?w7w?=", "\ufffdü"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),  # a character cut in two
        ("=?utf-8?q?a?=\r\n =?iso-8859-1?q?b?=", "ab"),
        ("=?utf-8?q?ok=0D=0ABcc:_v@x?=", "ok\ufffd\ufffdBcc: v@x"),
        ("=?zip?b?eJw=?=", "=?zip?b?eJw=?="),
        ("=?unicode_escape?q?=5Cx?=", "=?unicode_escape?q?=5Cx?="),
        ("=?utf-8?b?!?=", "=?utf-8?b?!?="),
        ("=?iso-8859-12?q?=FCx?=", "\ufffdx"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
    ],
)
def test_words_are_decoded_for_people(text: str, shown: str) -> None:
    assert decode_words(text) == shown


@given(st.text())
def test_any_text_comes_out_printable(text: str) -> None:
    assert decode_words(text).isprintable()
    assert decode_words(f"=?{text}?= =?utf-8?q?{text}?=").isprintable()


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_what_we_write_others_read(text: str) -> None:
    written = encode_words(text)
    assert written.isascii()
    assert all(len(word) <= 75 for word in written.split(" ") if word.startswith("=?utf-8"))
    if written != text:
        assert str(email.header.make_header(email.header.decode_header(written))) == text


@pytest.mark.parametrize("unit", ["=?", "?=", "=?utf-8?q?", " ", "=?utf-8?q?a?= ", "?= "])
def test_time_is_linear(unit: str) -> None:
    started = time.perf_counter()
    decode_words(unit * (100_000 // len(unit)))
    assert time.perf_counter() - started < 0.5
