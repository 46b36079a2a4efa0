"""Reading mail for the eye: good mail is shown well, bad mail never raises."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.web.reading import (
    LONGEST_TEXT,
    MOST_PARTS,
    Part,
    decoded_field,
    part_content,
    read_header,
    read_message,
)

from .fakes import newsletter


def test_a_newsletter() -> None:
    reading = read_message(newsletter())
    assert reading.field("subject") == "Grüße: your invoice for November is here"
    assert reading.text is not None
    assert reading.text.startswith("Hello Bob,\n")
    assert reading.attachments[1] == Part(
        number=3, name="Rechnung März.pdf", type="application/pdf", size=16
    )
    assert reading.links == (
        "https://pay.example.org/i/1",
        "https://pay.example.org/i/1?a=1&b=2",
    )


def test_a_plain_message_without_any_mime() -> None:
    reading = read_message(b"Subject: a\r\n b\r\nX: \xff\r\n\r\nhello \xc3\xbc\r\n.\r\n")
    assert reading.fields == (("Subject", "a b"), ("X", "?"))
    assert reading.text == "hello ü\n.\n"
    assert (reading.html, reading.attachments) == (None, ())


def test_controls_and_unknown_charsets_are_shown_as_what_they_are() -> None:
    reading = read_message(
        b"Subject: a\x1b[2Jb\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\x00\x9b\r\n"
    )
    assert reading.field("subject") == "a\\x1b[2Jb"
    assert reading.text is not None
    assert reading.text.isprintable() or reading.text.strip().isprintable()


def test_text_that_runs_backwards_is_shown_as_what_it_is() -> None:
    source = "Subject: gpj.\u202eexe\r\n\r\n\u2066a\u2069".encode()
    reading = read_message(source)
    assert reading.field("subject") == "gpj.\\u202eexe"
    assert decoded_field("=?utf-8?q?=E2=80=AEx?=") == "\\u202ex"


def test_a_forwarded_message_is_an_attachment() -> None:
    source = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n"
    )
    reading = read_message(source)
    assert reading.text == "see below"
    assert [part.type for part in reading.attachments] == ["message/rfc822"]
    found = part_content(source, 1)
    assert found is not None
    assert b"inner text" in found[1]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\x\\passwd", "a\r\nb/passwd", "/passwd", "passwd. "]
)
def test_a_file_name_is_only_a_name(name: str) -> None:
    source = (
        b"Content-Type: application/x\r\nContent-Disposition: attachment; filename*=UTF-8''"
        + "".join(f"%{byte:02X}" for byte in name.encode()).encode()
        + b"\r\n\r\nx"
    )
    assert read_message(source).attachments[0].name == "passwd"


def nested(depth: int) -> bytes:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )
    return head + b"\r\nx\r\n"


@pytest.mark.parametrize(
    "bomb",
    [
        nested(50),
        nested(2000),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000,
        b"Content-Type: message/rfc822\r\n\r\n" * 500 + b"x",
        b"X: y\r\n" * 100_000 + b"\r\nx",
        b"Content-Type: text/plain;" + b" x*0*=a;" * 5_000 + b"\r\n\r\nx",
        b"Content-Type: text/html\r\n\r\n" + b"<a href='" * 20_000,
        b"Content-Type: text/html\r\n\r\n" + b"<!" * 50_000,
        b"\r\n" + b"https://" * 50_000,
        b"Subject: " + b"=?utf-8?q?=C3?= " * 20_000 + b"\r\n\r\nx",
    ],
    ids=lambda bomb: bomb[:40].decode() + str(len(bomb)),
)
def test_bombs_go_off_quietly(bomb: bytes) -> None:
    began = time.process_time()
    reading = read_message(bomb)
    assert time.process_time() - began < 3
    assert len(reading.attachments) <= MOST_PARTS
    part_content(bomb, 0)


@pytest.mark.parametrize("charset", ["utf-8", "punycode"])
@pytest.mark.parametrize("parameters", [b"a=b;" * 300_000, b"a=b;\n " * 200_000])
def test_who_reads_a_strangers_letter_does_not_wait(charset: str, parameters: bytes) -> None:
    kind = b"Content-Type: text/plain; charset=%s; " % charset.encode()
    letter = kind + parameters + b"\r\n\r\n" + b"a" * 1_000_000
    began = time.process_time()
    assert read_message(letter).text == "a" * LONGEST_TEXT
    assert time.process_time() - began < 2.0


def test_only_web_links_are_links() -> None:
    source = (
        b"Content-Type: text/html\r\n\r\n<a href='javascript:x'><a href=' https://a.example '>"
        b"<a href='data:text/html,x'><a href='https://b.example/\nx'><a href>"
    )
    assert read_message(source).links == ("https://a.example",)


def test_the_header_alone() -> None:
    reading = read_header(b"Subject: x\r\n")
    assert reading.too_large
    assert reading.field("subject") == "x"


@given(
    st.binary(max_size=400)
    | st.binary(max_size=200).map(
        lambda tail: b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" + tail
    )
)
def test_any_bytes_can_be_read(source: bytes) -> None:
    reading = read_message(source)
    str(reading).encode()
    part_content(source, 0)
