"""Cutting messages into parts: nested, cut off, lying, and without end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.parts import MOST_DEPTH, MOST_PARTS, cut, read_fields

NESTED = b"""Content-Type: multipart/mixed; boundary="outer"

in front
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe
--inner
Content-Type: text/html

<p>hello</p>
--inner--
behind
--outer
Content-Type: message/rfc822

Content-Type: multipart/mixed; boundary=never

--never
--outer--
"""


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_leaves_come_in_order(line_end: bytes) -> None:
    parts = cut(NESTED.replace(b"\n", line_end))
    assert [part.kind for part in parts] == ["text/plain", "text/html", "message/rfc822"]
    assert parts[0].text == "Gr\u00fc\u00dfe"
    assert parts[1].content == b"<p>hello</p>"


def test_a_message_without_parts_is_its_own_leaf() -> None:
    (part,) = cut(b"Subject: tea\r\n\r\nAt four?\r\n")
    assert (part.kind, part.first("subject"), part.text) == ("text/plain", "tea", "At four?\n")


def test_a_boundary_that_never_comes_leaves_the_text() -> None:
    (part,) = cut(b"Content-Type: multipart/mixed; boundary=x\r\n\r\nhello")
    assert part.content == b"hello"


def test_a_charset_that_nobody_knows_is_read_as_utf_8() -> None:
    (part,) = cut(b"Content-Type: text/plain; charset=klingon\r\n\r\nhello")
    assert part.text == "hello"


def test_depth_and_number_are_bounded() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(3 * MOST_DEPTH)
    )
    assert len(cut(deep)) == 1
    wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 500
    assert len(cut(wide)) == MOST_PARTS


@given(st.binary(max_size=500))
def test_any_bytes_can_be_cut(raw: bytes) -> None:
    assert cut(raw)
    assert cut(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + raw)


@given(st.text(max_size=300))
def test_any_text_has_fields_or_none(text: str) -> None:
    for name, value in read_fields(text):
        assert name == name.lower()
        assert "\n" not in value
