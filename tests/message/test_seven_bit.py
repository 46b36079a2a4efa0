"""8-bit content in 7 bits: decoded by Python's own reader, it is what it was."""

from __future__ import annotations

import base64
import time
from email import message_from_bytes
from email.message import Message
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.ascii_header import CannotConvert
from postwicket.message.seven_bit import DEEPEST, to_seven_bit

TEXT = "Grüße aus dem Büro.\r\n.\r\nZeile mit Leerzeichen \r\nFrom here\r\n" * 3


def convert(whole: bytes) -> bytes:
    header, empty, body = whole.partition(b"\r\n\r\n")
    head, pieces = to_seven_bit(header + b"\r\n", b"\r\n" + body if empty else b"")
    return head + b"".join(pieces)


def leaves(message: Message) -> list[tuple[str, bytes]]:
    """Return kind and decoded content of each leaf, in order."""
    found: list[tuple[str, bytes]] = []
    for part in message.walk():
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part.get_content_type(), payload))
    return found


def checked(whole: bytes) -> bytes:
    """Convert, and make sure that nothing was lost."""
    result = convert(whole)
    assert result.isascii()
    assert max(map(len, result.split(b"\r\n"))) <= 998
    assert leaves(message_from_bytes(result)) == leaves(message_from_bytes(whole))
    return result


def entity(fields: str, content: bytes) -> bytes:
    return fields.replace("\n", "\r\n").encode() + b"\r\n" + content


def plain(
    content: bytes, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit"
) -> bytes:
    return entity(
        f"MIME-Version: 1.0\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n",
        content,
    )


def multipart(*parts: bytes, boundary: str = "=_b", kind: str = "mixed") -> bytes:
    line = f"--{boundary}\r\n".encode()
    inside = b"".join(line + part + b"\r\n" for part in parts)
    fields = f'MIME-Version: 1.0\nContent-Type: multipart/{kind};\n boundary="{boundary}"\n'
    return entity(
        fields + "Content-Transfer-Encoding: 8bit\n",
        "Präambel\r\n".encode() + inside + f"--{boundary}--\r\nEpilog\r\n".encode(),
    )


def test_text_becomes_quoted_printable_and_other_things_base64() -> None:
    result = checked(plain(TEXT.encode()))
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in result
    assert b"Gr=C3=BC=C3=9Fe" in result
    greek = checked(plain(("Καλημέρα κόσμε " * 20).encode()))
    assert b"Content-Transfer-Encoding: base64\r\n" in greek
    other = checked(plain(bytes(range(128, 256)) * 20, kind="application/octet-stream"))
    assert b"Content-Transfer-Encoding: base64\r\n" in other


def test_what_is_seven_bit_already_stays_byte_for_byte() -> None:
    whole = plain(b"Hello\r\n", encoding="7bit")
    assert convert(whole) == whole
    attachment = base64.encodebytes(bytes(range(256)) * 50).replace(b"\n", b"\r\n")
    kept = plain(attachment, kind="image/png", encoding="base64")
    mixed = multipart(plain(TEXT.encode()), kept)
    result = checked(mixed)
    assert kept in result
    assert b"Content-Transfer-Encoding: 8bit" not in result


def test_multiparts_in_multiparts_and_messages_in_messages() -> None:
    letter = entity("From: Jürgen <j@example.org>\nSubject: Grüße\n", TEXT.encode())
    forwarded = entity("Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n", letter)
    inner = multipart(
        plain(TEXT.encode()),
        plain(TEXT.encode(), kind="text/html"),
        boundary="in",
        kind="alternative",
    )
    result = checked(multipart(inner, forwarded, boundary="out"))
    nested = message_from_bytes(result).get_payload(1).get_payload(0)  # type: ignore[union-attr]
    assert nested["Subject"] == "=?utf-8?b?R3LDvMOfZQ==?="  # type: ignore[index]


def test_what_was_never_mime_says_so_now() -> None:
    result = convert(entity("From: ann@example.org\nSubject: x\n", "Grüße\r\n".encode()))
    message = message_from_bytes(result)
    assert message.get_content_charset() == "utf-8"
    assert message.get_payload(decode=True) == "Grüße\r\n".encode()
    latin = convert(entity("Subject: x\n", b"Gr\xfc\xdfe\r\n"))
    assert message_from_bytes(latin).get_content_charset() == "unknown-8bit"
    assert b"MIME-Version: 1.0\r\n" in latin


@pytest.mark.parametrize(
    ("whole", "reason"),
    [
        (
            multipart(plain(TEXT.encode()), plain(b"sig", encoding="7bit"), kind="signed"),
            "multipart/signed",
        ),
        (multipart(plain(TEXT.encode()), kind="encrypted"), "multipart/encrypted"),
        (
            multipart(multipart(plain(TEXT.encode()), kind="signed", boundary="in")),
            "multipart/signed",
        ),
        (plain("ä".encode(), encoding="base64"), "base64"),
        (plain("ä".encode(), kind="message/partial"), "message/partial"),
        (entity("Content-Type: multipart/mixed\n", "ä".encode()), "no boundary"),
        (entity("To: ä@example.org\n", b"x"), "no ASCII form"),
        (plain("ä".encode(), kind="text/plain", encoding="uuencode"), "uuencode"),
    ],
)
def test_what_may_not_be_converted_is_refused_with_the_reason(whole: bytes, reason: str) -> None:
    with pytest.raises(CannotConvert, match=reason):
        convert(whole)


def test_signed_mail_in_seven_bits_is_left_alone() -> None:
    signed = multipart(plain(b"Hello\r\n", encoding="7bit"), kind="signed").replace(
        "Prä".encode(), b"Pra"
    )
    assert convert(signed) == signed


def test_binary_parts_lose_their_bare_line_ends_to_base64() -> None:
    checked(plain(b"a\nb\rc\0d\xff" * 40, kind="application/octet-stream", encoding="binary"))
    checked(plain(b"a\nb\r\n" * 40, kind="text/plain", encoding="binary"))


def test_too_deep_is_refused_and_not_a_stack_overflow() -> None:
    whole = plain("ä".encode())
    for depth in range(DEEPEST + 2):
        whole = multipart(whole, boundary=f"b{depth}")
    with pytest.raises(CannotConvert, match="deep"):
        convert(whole)


LEAF = st.builds(
    plain,
    st.one_of(
        st.text(max_size=300).map(
            lambda text: text.replace("\0", "").replace("\r", "").replace("\n", "\r\n").encode()
        ),
        st.binary(max_size=300).map(
            lambda data: data.replace(b"\0", b"").replace(b"\r", b"").replace(b"\n", b"")
        ),
    ),
    kind=st.sampled_from(
        ["text/plain", "text/html; charset=utf-8", "application/pdf", "image/png"]
    ),
)
TREE = st.recursive(
    LEAF,
    lambda inner: st.builds(
        lambda parts: multipart(*parts, boundary=f"=_{crc32(b''.join(parts))}"),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


@given(TREE)
def test_any_tree_is_what_it_was(whole: bytes) -> None:
    checked(whole)


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_no_octets_raise_anything_else(header: bytes, body: bytes) -> None:
    try:
        head, pieces = to_seven_bit(header, b"\r\n" + body)
    except CannotConvert:
        return
    assert (head + b"".join(pieces)).isascii()


def test_a_large_message_takes_a_moment() -> None:
    whole = plain(("Grüße, " * 600_000).encode())
    began = time.perf_counter()
    checked(whole)
    hostile = entity(
        'Content-Type: multipart/mixed; boundary="b"\n',
        b"--b\r\n" * 1000 + b"\xff" * 100_000 + b"--" * 200_000,
    )
    with pytest.raises(CannotConvert):
        convert(hostile)
    assert time.perf_counter() - began < 5
