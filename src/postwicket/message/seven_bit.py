"""Content in 8 bits, said in 7: for a server that does not offer 8BITMIME or BINARYMIME.

RFC 6152, section 3, lets a client convert instead of returning the message.  Only what is not
7-bit changes: the leaves of the MIME tree become quoted-printable or base64, whichever is
shorter, and say so; the multiparts around them say 7bit; texts in headers become encoded words.
Everything else stays byte for byte.  What is signed or encrypted as a multipart would not be
what it was (RFC 1847, section 2.1): it is refused, with the reason.

Octets in, slices of the same octets out: memory is the message once, plus the leaves that
changed.  Decoded, the leaves are what they were.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

from .ascii_header import CannotConvert, ascii_header
from .header import Header, MalformedHeader

LARGEST: Final = 67_108_864  # octets: twice what we take, and three times that is the memory
DEEPEST: Final = 20  # multiparts in multiparts
MOST_PARTS: Final = 2000

_KIND: Final = re.compile(
    r"\s*([a-z0-9!#$&^_.+-]{1,127})/([a-z0-9!#$&^_.+-]{1,127})", re.IGNORECASE
)
_BOUNDARY: Final = re.compile(
    r';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.){1,200})"|([^\s;"]{1,200}))', re.IGNORECASE
)
_LINE_FAULT: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_UNREADABLE: Final = bytes([octet if octet < 128 else ord("?") for octet in range(256)])
_EIGHT: Final = re.compile(rb"[\x80-\xff]")
_SEALED: Final = frozenset({"signed", "encrypted"})
_IDENTITIES: Final = frozenset({"", "7bit", "8bit", "binary"})


def to_seven_bit(header: bytes, body: bytes) -> tuple[bytes, list[bytes]]:
    r"""Return header and what follows it (in pieces) in 7 bits; raise CannotConvert.

    `header` is without the empty line, `body` begins with it.

    >>> head, pieces = to_seven_bit(b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n",
    ...                             b"\r\nThe price is 5 \xe2\x82\xac.\r\n")
    >>> head.endswith(b"Content-Transfer-Encoding: quoted-printable\r\n"), b"".join(pieces)
    (True, b'\r\nThe price is 5 =E2=82=AC.\r\n')
    """
    if len(header) + len(body) > LARGEST:
        raise CannotConvert(f"it is larger than the {LARGEST} octets that are converted")
    work = _Work()
    head, *pieces = work.entity(header, body, depth=0, default="text/plain")
    return head, pieces


class _Work:
    """One conversion, which counts parts."""

    def __init__(self) -> None:
        self._parts = 0

    def entity(self, raw: bytes, body: bytes, *, depth: int, default: str) -> list[bytes]:
        """Return the header of an entity, then what follows it."""
        self._parts += 1
        if depth > DEEPEST or self._parts > MOST_PARTS:
            raise CannotConvert("it has too many parts, or parts too deep within parts")
        if raw.isascii() and _is_clean(body):
            return [raw, body]
        if raw and not raw.endswith(b"\r\n"):
            raise CannotConvert("a part has no empty line after its header")
        header = _parsed(raw)
        kind = _kind(header, default)
        head = raw if raw.isascii() else ascii_header(header)
        if _is_clean(body):
            return [head, body]
        main, _, sub = kind.partition("/")
        if main == "multipart":
            if sub in _SEALED:
                raise CannotConvert(f"a part is multipart/{sub}, which no server may change")
            return [_said_as(head, "7bit"), *self._multipart(header, body, sub, depth)]
        if kind in {"message/rfc822", "message/news"}:
            inner, follows = _split(body[2:])
            parts = self.entity(inner, follows, depth=depth + 1, default="text/plain")
            return [_said_as(head, "7bit"), b"\r\n", *parts]
        if main == "message" and not sub.startswith("global"):
            raise CannotConvert(f"a part is {kind}, which may not be encoded")
        if depth == 0:
            head = _with_mime(head, header, body)
        return _leaf(head, header, body, text=main == "text")

    def _multipart(self, header: Header, body: bytes, sub: str, depth: int) -> Iterator[bytes]:
        boundary = _boundary(header)
        if boundary is None:
            raise CannotConvert("a multipart names no boundary")
        default = "message/rfc822" if sub == "digest" else "text/plain"
        delimiter = re.compile(
            rb"(?:(?<=\r\n)|\A)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r\n|\Z)"
        )
        # What is before the first and behind the last part is for nobody (RFC 2046, 5.1.1).
        at, inside = 0, False
        for match in delimiter.finditer(body):
            piece = body[at : match.start()]
            yield from self._part(piece, depth, default) if inside else [_readable(piece)]
            yield match[0]
            at, inside = match.end(), match[1] is None
            if not inside:
                break
        rest = body[at:]
        yield from self._part(rest, depth, default) if inside else [_readable(rest)]

    def _part(self, part: bytes, depth: int, default: str) -> list[bytes]:
        # The line end before a boundary is the boundary's.
        end = b"\r\n" if part.endswith(b"\r\n") else b""
        raw, body = _split(part[: len(part) - len(end)])
        return [*self.entity(raw, body, depth=depth + 1, default=default), end]


def _is_clean(body: bytes) -> bool:
    return body.isascii() and not _LINE_FAULT.search(body)


def _parsed(raw: bytes) -> Header:
    try:
        return Header.parse(raw)
    except MalformedHeader as error:
        raise CannotConvert(f"the header of a part is malformed: {error}") from None


def _split(entity: bytes) -> tuple[bytes, bytes]:
    """Cut an entity into header and what follows, which begins with the empty line."""
    if entity.startswith(b"\r\n"):
        return b"", entity
    end = entity.find(b"\r\n\r\n")
    return (entity, b"") if end < 0 else (entity[: end + 2], entity[end + 2 :])


def _kind(header: Header, default: str) -> str:
    field = header.first("content-type")
    found = _KIND.match(field.value.decode("latin-1")) if field else None
    return f"{found[1]}/{found[2]}".lower() if found else default


def _boundary(header: Header) -> bytes | None:
    field = header.first("content-type")
    found = _BOUNDARY.search(field.value.decode("latin-1")) if field else None
    if found is None:
        return None
    text = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    return text.encode("latin-1").rstrip() or None


def _readable(piece: bytes) -> bytes:
    return piece.translate(_UNREADABLE)


def _said_as(head: bytes, encoding: str) -> bytes:
    """Return the header with this Content-Transfer-Encoding, in its place or at the end."""
    said = f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    fields = _parsed(head).fields
    if not any(field.key == "content-transfer-encoding" for field in fields):
        return head if encoding == "7bit" else head + said
    out, done = [], False
    for field in fields:
        if field.key != "content-transfer-encoding":
            out.append(field.raw)
        elif not done:
            out.append(said)
            done = True
    return b"".join(out)


def _with_mime(head: bytes, header: Header, body: bytes) -> bytes:
    """Say of a message that never said so that it is MIME, and in which charset."""
    if header.first("mime-version") is None:
        head += b"MIME-Version: 1.0\r\n"
    if header.first("content-type") is None:
        head += f"Content-Type: text/plain; charset={_charset(body)}\r\n".encode()
    return head


def _charset(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown-8bit"  # RFC 1428, section 3
    return "utf-8"


def _leaf(head: bytes, header: Header, body: bytes, *, text: bool) -> list[bytes]:
    """Encode a leaf; `body` begins with the empty line."""
    field = header.first("content-transfer-encoding")
    said = field.value.decode("latin-1").strip().lower() if field else ""
    content = body[2:]
    if said == "quoted-printable":
        # Written by somebody who forgot some octets; the rest is as it should be.
        if _LINE_FAULT.search(content):
            raise CannotConvert("a quoted-printable part has bare line ends")
        return [head, b"\r\n", _EIGHT.sub(lambda octet: b"=%02X" % octet[0][0], content)]
    if said not in _IDENTITIES:
        raise CannotConvert(f"a part says {said[:40]!r} and holds something else")
    encoded, encoding = _encode(content, text=text)
    return [_said_as(head, encoding), b"\r\n", encoded]


def _encode(content: bytes, *, text: bool) -> tuple[bytes, str]:
    high = len(content) - len(content.translate(None, bytes(range(128, 256))))
    # Three octets for one that is not ASCII, or four for every three: a sixth is where they meet.
    if text and high * 6 <= len(content) and not _LINE_FAULT.search(content):
        return _quoted_printable(content), "quoted-printable"
    return _base64(content), "base64"


def _quoted_printable(content: bytes) -> bytes:
    quoted = binascii.b2a_qp(content, quotetabs=False, istext=True, header=False)
    # Python breaks long lines as the first line of the content ends, and this one has no end.
    return quoted if b"\r\n" in content else quoted.replace(b"\n", b"\r\n")


def _base64(content: bytes) -> bytes:
    # 57 octets are a line of 76 characters (RFC 2045, section 6.8).
    lines = [
        binascii.b2a_base64(content[at : at + 57], newline=False)
        for at in range(0, len(content), 57)
    ]
    return b"\r\n".join(lines)
