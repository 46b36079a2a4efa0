"""A captured message as a person reads it: decoded header, text, HTML, attachments, links.

For the eye only: nothing here decides anything, and the bytes of the message stay as they
are.  The mail may be anything at all; what cannot be understood is shown as what could be,
and never raises.
"""

from __future__ import annotations

import base64
import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from html.parser import HTMLParser
from typing import Final

from postwicket.message.encoded_words import is_charset

READABLE: Final = 40_000_000  # octets; larger ones can only be downloaded
MOST_PARTS: Final = 200
MOST_FIELDS: Final = 500
MOST_LINKS: Final = 100
LONGEST_TEXT: Final = 500_000  # characters of text shown
LARGEST_INLINE: Final = 5_000_000  # octets of one picture put into the HTML
LONGEST_FIELD: Final = 5000  # octets of Content-Type and Content-Disposition
_LONG_FIELD: Final = re.compile(
    rb"^content-(?:type|disposition):[^\n]*+(?:\n[ \t][^\n]*+)*+", re.IGNORECASE | re.MULTILINE
)
_LINK: Final = re.compile(r"https?://[^\s<>\"'\x00-\x1f]{1,2000}")
_CID: Final = re.compile(r"cid:([^\"'\s)>]{1,300})", re.IGNORECASE)
_PICTURE: Final = re.compile(r"image/(?:png|jpeg|gif|webp)")
_BACKWARDS: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
# Controls, and what makes text run backwards: a page shows that it is there and does not obey.
_NOT_SHOWN: Final = {
    point: chr(point).encode("unicode_escape").decode()
    for point in (*range(32), *range(127, 160), 0x200E, 0x200F, 0x061C, *_BACKWARDS)
    if point not in (9, 10)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An attachment: `number` is its place in the message, counted from 0."""

    number: int
    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a message says."""

    fields: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    html: str | None = None
    attachments: tuple[Part, ...] = ()
    links: tuple[str, ...] = ()
    too_large: bool = False
    damaged: bool = False

    def field(self, name: str) -> str:
        """Return the first field of this name, or ""."""
        return next((value for key, value in self.fields if key.lower() == name), "")


def read_message(source: bytes) -> Reading:
    """Return what the message says."""
    try:
        return _read(source)
    except Exception:  # noqa: BLE001 - the parser of the standard library fails in many ways
        return Reading(fields=tuple(_fields(source)), damaged=True)


def read_header(header: bytes) -> Reading:
    """Return the header of a message that is too large to be read whole."""
    return Reading(fields=tuple(_fields(header)), too_large=True)


def part_content(source: bytes, number: int) -> tuple[str, bytes] | None:
    """Return name and bytes of an attachment, or None when there is none of that number."""
    try:
        for at, part in _parts(_parse(source)):
            if at == number:
                return _name(part, at), _payload(part)
    except Exception:  # noqa: BLE001 - as above
        return None
    return None


def _read(source: bytes) -> Reading:
    text: str | None = None
    html: str | None = None
    attachments: list[Part] = []
    pictures: dict[str, str] = {}
    for number, part in _parts(_parse(source)):
        kind = part.get_content_type()
        attached = part.get_content_disposition() == "attachment"
        if kind == "text/plain" and text is None and not attached:
            text = _text(part)
        elif kind == "text/html" and html is None and not attached:
            html = _text(part)
        else:
            content = _payload(part)
            attachments.append(
                Part(number=number, name=_name(part, number), type=kind, size=len(content))
            )
            _keep_picture(part, kind, content, pictures)
    shown = None if text is None else _shown(text[:LONGEST_TEXT])
    return Reading(
        fields=tuple(_fields(source)),
        text=shown,
        html=None if html is None else _with_pictures(html, pictures),
        attachments=tuple(attachments),
        links=tuple(_links(html, text)),
    )


def _parse(source: bytes) -> Message:
    # Python reads parameters in a time that grows with the square of their length.
    short = _LONG_FIELD.sub(lambda found: found[0][:LONGEST_FIELD], source)
    return email.message_from_bytes(short, policy=email.policy.compat32)


def _parts(message: Message) -> Iterator[tuple[int, Message]]:
    """Yield the leaves with their numbers; an attached message counts as one."""
    number = 0
    waiting = [message]
    while waiting and number < MOST_PARTS:
        part = waiting.pop()
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting.extend(each for each in reversed(payload) if isinstance(each, Message))
            continue
        yield number, part
        number += 1


def _payload(part: Message) -> bytes:
    inner = part.get_payload()
    if isinstance(inner, list):  # message/rfc822
        return b"".join(each.as_bytes() for each in inner if isinstance(each, Message))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(part: Message) -> str:
    charset = part.get_content_charset("utf-8")
    charset = charset if is_charset(charset) else "utf-8"
    try:
        return _payload(part).decode(charset, "replace")
    except (LookupError, ValueError):
        return _payload(part).decode("utf-8", "replace")


def _name(part: Message, number: int) -> str:
    """Return the file name without folders; one is made up where there is none."""
    raw = part.get_filename() or ""
    name = _shown(_decoded(raw)).replace("\\", "/").rpartition("/")[2].strip(" .\n\t")
    return name[:150] or f"part-{number}"


def _keep_picture(part: Message, kind: str, content: bytes, pictures: dict[str, str]) -> None:
    name = str(part.get("Content-ID", "")).strip().strip("<>")
    if name and _PICTURE.fullmatch(kind) and len(content) <= LARGEST_INLINE:
        pictures[name] = f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _with_pictures(html: str, pictures: dict[str, str]) -> str:
    """Put the pictures that the message brings along where its HTML wants them."""
    return _CID.sub(lambda found: pictures.get(found[1], found[0]), html)


# --- header -------------------------------------------------------------------------------


def _fields(source: bytes) -> Iterator[tuple[str, str]]:
    header = source.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    unfolded = re.sub(r"\r\n(?=[ \t])", "", header)
    for line in unfolded.split("\r\n")[:MOST_FIELDS]:
        name, colon, value = line.partition(":")
        if colon:
            yield _shown(name.strip())[:100], _shown(_decoded(value.strip()[:20_000]))[:10_000]


def _decoded(text: str) -> str:
    """Return the text with its encoded words (RFC 2047) decoded."""
    if "=?" not in text:
        return text
    try:
        return "".join(
            piece
            if isinstance(piece, str)
            else piece.decode(charset if charset and is_charset(charset) else "utf-8", "replace")
            for piece, charset in decode_header(text)
        )
    except (ValueError, LookupError):
        return text


def decoded_field(text: str) -> str:
    """Return a header field's value as a person reads it.

    >>> decoded_field("=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    'Grüße'
    """
    return _shown(_decoded(text)).replace("\n", " ")


def _shown(text: str) -> str:
    """Return text without control characters; what was not UTF-8 becomes a question mark."""
    clean = text.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8")
    return clean.translate(_NOT_SHOWN)


# --- links --------------------------------------------------------------------------------


class _Anchors(HTMLParser):
    """Collects where the links of an HTML part lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an anchor."""
        if tag == "a" and len(self.found) < MOST_LINKS:
            self.found += [value.strip() for name, value in attrs if name == "href" and value]


def _links(html: str | None, text: str | None) -> Iterator[str]:
    """Yield each web link once.  Only http and https: the page makes anchors of them."""
    found: list[str] = []
    if html is not None:
        anchors = _Anchors()
        anchors.feed(html[:LONGEST_TEXT])
        found += [link for link in anchors.found if _LINK.fullmatch(link)]
    if text is not None:
        found += [link.rstrip(".,;:!?)]}") for link in _LINK.findall(text[:LONGEST_TEXT])]
    yield from list(dict.fromkeys(found))[:MOST_LINKS]
