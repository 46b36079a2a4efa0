"""A message of anybody's, cut into its parts: for reports that are read, never for what we send.

Any bytes can be cut.  What is wrong is read in the most likely way, because a report that was
put together badly is still about our mail; nothing of it goes out again.  Bounded: so many
parts, so deep, and each octet is looked at a few times at most.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .encoded_words import is_charset

MOST_PARTS: Final = 40
MOST_DEPTH: Final = 6
LONGEST_HEADER: Final = 65_536  # octets that are looked at
MOST_FIELDS: Final = 500

_EMPTY_LINE: Final = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_KIND: Final = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,80})")
_PARAMETER: Final = re.compile(
    r';\s*([A-Za-z0-9*_-]{1,40})\s*=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))'
)
_FIELD: Final = re.compile(r"([!-9;-~]{1,80})[ \t]*:[ \t]*(.*)", re.DOTALL)

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `kind` in lower case, its header fields, and its content, decoded.

    `parameters` are those of Content-Type, names in lower case.
    """

    kind: str
    parameters: dict[str, str]
    fields: Fields
    content: bytes

    @property
    def text(self) -> str:
        """The content as text, whatever it takes; lines end with a line feed."""
        charset = self.parameters.get("charset", "utf-8")
        try:
            known = is_charset(charset)
            text = self.content.decode(charset if known else "utf-8", "replace")
        except (LookupError, UnicodeError, ValueError):
            text = self.content.decode("utf-8", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def first(self, name: str) -> str:
        """Return the first field of that name (lower case), or ""."""
        return first(self.fields, name)


def first(fields: Fields, name: str) -> str:
    """Return the first field of that name (lower case), or ""."""
    return next((value for key, value in fields if key == name), "")


def read_fields(text: str) -> Fields:
    r"""Return the fields of a header: names in lower case, values unfolded.

    A line that is no field is passed over.

    >>> read_fields("Status: 5.1.1\nDiagnostic-Code: smtp; 550\n no such person\n")
    (('status', '5.1.1'), ('diagnostic-code', 'smtp; 550 no such person'))
    """
    lines: list[str] = []
    for line in text[:LONGEST_HEADER].splitlines():
        if line[:1] in {" ", "\t"} and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    found = (_FIELD.match(line) for line in lines[:MOST_FIELDS])
    return tuple((field[1].lower(), field[2].strip()) for field in found if field)


def cut(raw: bytes) -> tuple[Part, ...]:
    """Return the leaves of a message in order, the message itself where it has no parts.

    A message inside (message/rfc822) is a leaf: what it holds is its own affair.
    """
    leaves: list[Part] = []
    for part in _walk(raw, 0):
        leaves.append(part)
        if len(leaves) >= MOST_PARTS:
            break
    return tuple(leaves)


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """Return what stands before and after the first empty line."""
    end = _EMPTY_LINE.search(raw)
    return (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")


def _walk(raw: bytes, depth: int) -> Iterator[Part]:
    head, body = split_header(raw)
    fields = read_fields(head[:LONGEST_HEADER].decode("utf-8", "replace"))
    kind, parameters = _content_type(first(fields, "content-type"))
    boundary = parameters.get("boundary", "")
    if kind.startswith("multipart/") and boundary and depth < MOST_DEPTH:
        pieces = _pieces(body, boundary)
        if pieces:
            for piece in pieces:
                yield from _walk(piece, depth + 1)
            return
    content = _decoded(body, first(fields, "content-transfer-encoding").lower())
    yield Part(kind, parameters, fields, content)


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """Return what stands between the boundary's lines (RFC 2046, section 5.1.1)."""
    line = re.compile(
        rb"(?:\A|\r?\n)--"
        + re.escape(boundary.encode("utf-8", "replace"))
        + rb"(--)?[ \t]*(?=\r?\n|\Z)"
    )
    pieces: list[bytes] = []
    begin = None
    for mark in line.finditer(body):
        if begin is not None:
            pieces.append(_without_line_end(body[begin : mark.start()]))
        begin = mark.end()
        if mark[1] or len(pieces) >= MOST_PARTS:
            return pieces
    if begin is not None:  # cut off: the last piece is what there is
        pieces.append(_without_line_end(body[begin:]))
    return pieces


def _without_line_end(piece: bytes) -> bytes:
    """Take the end of the boundary's own line away."""
    return piece[2:] if piece.startswith(b"\r\n") else piece.removeprefix(b"\n")


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    kind = _KIND.match(value)
    if kind is None:
        return "text/plain", {}  # RFC 2045, section 5.2
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value[:2000]):
        parameters.setdefault(name.lower(), quoted or plain)
    return kind[1].lower(), parameters


def _decoded(content: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        try:
            return binascii.a2b_base64(content)
        except binascii.Error:
            return content
    if encoding == "quoted-printable":
        return binascii.a2b_qp(content)
    return content
