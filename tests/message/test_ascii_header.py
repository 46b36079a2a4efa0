"""Headers with UTF-8, in ASCII, as Python's own reader decodes them."""

from __future__ import annotations

import contextlib
import time
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import UnstructuredHeader
from email.utils import collapse_rfc2231_value, getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.ascii_header import CannotConvert, ascii_header
from postwicket.message.encoded_words import decode_words
from postwicket.message.header import Header, MalformedHeader


def converted(text: str) -> bytes:
    return ascii_header(Header.parse(text.encode()))


WORD = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x1FFFF, exclude_categories=("C", "Z")),
    min_size=1,
    max_size=12,
)


@given(st.lists(WORD, min_size=1, max_size=12))
def test_what_a_subject_says_stays(words: list[str]) -> None:
    text = " ".join(words)
    raw = converted(f"Subject: {text}\r\n")
    assert raw.isascii()
    found = Header.parse(raw).fields[0].value.decode("ascii")
    if "=?" not in text:
        assert decode_words(found) == text


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        ("Jürgen Müller <j@example.org>", [("Jürgen Müller", "j@example.org")]),
        (
            '"Müller, J." <j@example.org>, Bob <b@example.org>',
            [("Müller, J.", "j@example.org"), ("Bob", "b@example.org")],
        ),
        ("j@bücher.example", [("", "j@xn--bcher-kva.example")]),
        ("Bücher <j@bücher.example>", [("Bücher", "j@xn--bcher-kva.example")]),
        ("Ann Ö B <a@example.org>", [("Ann Ö B", "a@example.org")]),
        ('Ann "Ö" B <a@example.org>', [("Ann Ö B", "a@example.org")]),
    ],
)
def test_names_and_addresses_stay(value: str, mailboxes: list[tuple[str, str]]) -> None:
    raw = converted(f"To: {value}\r\n")
    assert raw.isascii()
    # Python's newer reader puts a space between two encoded words of a name; the older does not.
    found = getaddresses([Header.parse(raw).fields[0].value.decode()])
    assert [(str(make_header(decode_header(name))), at) for name, at in found] == mailboxes


def test_a_group_and_a_comment_stay_what_they_are() -> None:
    raw = converted("To: Löwen: a@example.org, b@example.org; (Größe)\r\n")
    value = Header.parse(raw).fields[0].value.decode()
    assert decode_words(value) == "Löwen: a@example.org, b@example.org; (Größe)"


@pytest.mark.parametrize(
    "field",
    [
        "To: müller@example.org",
        "From: Ann <ä@example.org>",
        'Cc: "ä"@example.org',
        "Message-ID: <ä@example.org>",
        "References: <a@example.org> <ä@example.org>",
    ],
)
def test_what_has_no_ascii_form_is_refused_with_the_reason(field: str) -> None:
    with pytest.raises(CannotConvert):
        converted(field + "\r\n")


def test_what_is_not_utf8_is_refused() -> None:
    with pytest.raises(CannotConvert, match="Subject"):
        ascii_header(Header.parse(b"Subject: Gr\xfc\xdfe\r\n"))


def test_a_file_name_becomes_an_extended_parameter() -> None:
    raw = converted('Content-Disposition: attachment; filename="Übersicht 1.pdf"; size=1\r\n')
    assert b"filename*=utf-8''%C3%9Cbersicht%201.pdf" in raw
    message = message_from_bytes(raw + b"\r\n")
    assert collapse_rfc2231_value(message.get_filename() or "") == "Übersicht 1.pdf"


def test_urls_and_received_have_forms_of_their_own() -> None:
    assert b"<https://example.org/%C3%BC?a=b>" in converted(
        "List-Unsubscribe: <https://example.org/ü?a=b>\r\n"
    )
    received = converted("Received: from bücher.example by x for <a@bücher.example>; now\r\n")
    assert b"<a@xn--bcher-kva.example>" in received
    assert received.isascii()


def test_ascii_fields_stay_byte_for_byte_and_long_ones_are_folded() -> None:
    odd = "X-Odd:   two  spaces \r\n\tand a fold\r\n"
    raw = converted(odd + f"Subject: {'ü' * 200}\r\n")
    assert raw.startswith(odd.encode())
    assert max(map(len, raw.removeprefix(odd.encode()).split(b"\r\n"))) <= 90
    header = message_from_bytes(raw + b"\r\n", policy=policy.default)["subject"]
    assert isinstance(header, UnstructuredHeader)
    assert str(header) == "ü" * 200


@given(st.binary(max_size=200), st.sampled_from(["To", "Subject", "Content-Type", "List-Post"]))
def test_no_header_raises_anything_else(value: bytes, name: str) -> None:
    try:
        raw = ascii_header(Header.parse(name.encode() + b": " + value + b"\r\n"))
    except (CannotConvert, MalformedHeader):
        return
    assert raw.isascii()
    Header.parse(raw)


@pytest.mark.parametrize("piece", ['\\"', "\\(", '<\\"', '"a', "(a", ';a=\\"', "=?"])
@pytest.mark.parametrize("name", ["To", "Content-Type", "Subject", "List-Post"])
def test_what_is_never_closed_is_read_in_time(name: str, piece: str) -> None:
    raw = f"{name}: é{piece * (100_000 // len(piece))}\r\n".encode()
    began = time.process_time()
    with contextlib.suppress(CannotConvert):
        ascii_header(Header.parse(raw))
    assert time.process_time() - began < 2.0
