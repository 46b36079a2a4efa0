"""Notices about deliveries: multipart/report (RFC 6522) with RFC 3464 status, RFC 6533 for UTF-8.

`build_notice` turns what became of a message into a message to its sender, in three parts:
words for people, the same for programs, and what came back.  Nothing that a remote server
said can end a line or a part; no line is longer than a message may have, unless the original
had it.  Ask `who_is_told` first: whether there is anything to tell is not decided here.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Envelope, Notify, Recipient, Sender

from .dates import message_date
from .encoded_words import encode_words
from .header import Header, MalformedHeader
from .notice_text import LONGEST_WORDS, pieces, plain_text, title
from .report import Action, Original, Result, who_is_told

__all__ = ["Action", "Notice", "Original", "Result", "build_notice", "who_is_told"]

LARGEST_QUOTE: Final = 64 * 1024  # octets of the original body, and of its header; ours

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_UNSAFE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461, section 4
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_FOLD_AT: Final = 76  # octets, RFC 5322, section 2.1.1 recommends 78
_LONGEST_WORD: Final = 200  # characters: at most 800 octets in UTF-8, below 998


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice ready to be queued: `body` begins with the empty line that ends the header."""

    envelope: Envelope
    header: bytes
    body: bytes


def build_notice(
    original: Original,
    results: Sequence[Result],
    *,
    hostname: str,
    now: float,
    message_id: str,
    boundary: str,
) -> Notice:
    """Return the notice to the original's sender about `results`.

    `message_id` is without angle brackets; `boundary` must be random, so that no message can
    contain it.  Raises ValueError for an empty return path and for no results: both would
    be a notice that nobody is to get.
    """
    sender = original.envelope.sender.address
    if sender is None or not results:
        raise ValueError("a notice needs somebody to tell and something to tell")
    about = _about(original.header)
    text = plain_text(original, results, hostname=hostname, subject=about.subject)
    parts = (
        _text_part(text),
        _status_part(original, results, hostname=hostname),
        _returned_part(original),
    )
    mark = b"\r\n--" + boundary.encode("ascii")
    body = b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--\r\n"
    encoding = "7bit" if body.isascii() else "8bit"
    references = [f"{name}: {about.id}" for name in ("In-Reply-To", "References") if about.id]
    header = (
        *(f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>", f"To: <{sender}>"),
        _folded("Subject", encode_words(title(results, about.subject))),
        *(f"Date: {message_date(now).decode()}", f"Message-ID: <{message_id}>", *references),
        *("Auto-Submitted: auto-replied", "MIME-Version: 1.0"),
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
        f"Content-Transfer-Encoding: {encoding}",
    )
    head = "".join(f"{line}\r\n" for line in header).encode()
    return Notice(_envelope(sender, eight_bit=encoding == "8bit"), head, body)


def _envelope(sender: Address, *, eight_bit: bool) -> Envelope:
    return Envelope(
        Sender(
            address=None,
            body=Body.EIGHT_BIT if eight_bit else Body.SEVEN_BIT,
            smtputf8=not sender.is_ascii,  # only the To field can make it necessary
        ),
        (Recipient(sender, frozenset({Notify.NEVER})),),
    )


# --- what came back -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _About:
    subject: str
    id: str


_REFERENCE: Final = re.compile(rb"<[!-;=?-~]{1,498}>")


def _about(raw: bytes) -> _About:
    try:
        header = Header.parse(raw)
    except MalformedHeader:  # not through our door, yet no reason to stay silent
        return _About("", "")
    subject, named = header.first("subject"), header.first("message-id")
    id = named.value if named and _REFERENCE.fullmatch(named.value) else b""  # noqa: A001 - it is one
    return _About(subject.text if subject else "", id.decode("ascii"))


def _returned_part(original: Original) -> bytes:
    """Return the message if its sender asked for it and it is small and clean, or its header."""
    header, body = _clean_header(original.header), original.body
    # Labelled as it was announced: a header in UTF-8 without SMTPUTF8 is read as ever.
    announced = original.envelope.sender.smtputf8 and not header.isascii()
    whole = (
        original.envelope.sender.ret == "FULL"
        and body is not None
        and len(body) <= LARGEST_QUOTE
        and len(original.header) <= LARGEST_QUOTE
        and not _UNSAFE.search(body)
    )
    if whole and body is not None:
        kind = "message/global" if announced else "message/rfc822"
        return _part(kind, "Your message", header + body)
    kind = "message/global-headers" if announced else "text/rfc822-headers"
    return _part(kind, "The header of your message", header)


def _clean_header(raw: bytes) -> bytes:
    """Return whole lines up to the largest quote, with no line end but CR LF, and no NUL."""
    if len(raw) > LARGEST_QUOTE:
        end = raw.rfind(b"\r\n", 0, LARGEST_QUOTE)
        raw = raw[: end + 2] if end >= 0 else b""
    if _UNSAFE.search(raw):
        raw = _LINE_END.sub(b"\r\n", raw.replace(b"\0", b"?"))
    return raw


def _part(kind: str, description: str, content: bytes, *, encoding: str = "") -> bytes:
    encoding = encoding or ("7bit" if content.isascii() else "8bit")
    head = (
        f"Content-Type: {kind}\r\nContent-Description: {description}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode("ascii") + content


# --- for people and for programs ------------------------------------------------------------


def _text_part(text: str) -> bytes:
    kind, name = "text/plain; charset=utf-8", "What happened"
    if text.isascii():
        return _part(kind, name, text.replace("\n", "\r\n").encode("ascii"))
    encoded = binascii.b2a_qp(text.encode(), istext=True).replace(b"\n", b"\r\n")
    return _part(kind, name, encoded, encoding="quoted-printable")


def _status_part(original: Original, results: Sequence[Result], *, hostname: str) -> bytes:
    blocks = [_about_message(original, hostname), *(_about_recipient(r) for r in results)]
    text = "\r\n".join("".join(f"{line}\r\n" for line in block) for block in blocks)
    named = [(result.recipient.address.is_ascii, result.recipient.orcpt) for result in results]
    utf8 = not all(plain and orcpt.isascii() for plain, orcpt in named)
    # Without UTF-8 addresses the part is ASCII (RFC 3464, section 2.1), whatever a server said.
    if not utf8:
        plain_status = text.encode("ascii", "backslashreplace")
        return _part("message/delivery-status", "Delivery status", plain_status)
    return _part("message/global-delivery-status", "Delivery status", text.encode())


def _about_message(original: Original, hostname: str) -> Iterator[str]:
    yield f"Reporting-MTA: dns; {hostname}"
    if original.envelope.sender.envid:
        yield _folded("Original-Envelope-Id", _unxtext(original.envelope.sender.envid))
    yield f"Arrival-Date: {message_date(original.received).decode()}"
    yield f"X-Queue-Id: {original.queue_id}"


def _about_recipient(result: Result) -> Iterator[str]:
    kind, semicolon, address = result.recipient.orcpt.partition(";")
    if semicolon:
        yield _folded("Original-Recipient", f"{kind}; {_unxtext(address)}")
    address_type = "rfc822" if result.recipient.address.is_ascii else "utf-8"
    yield f"Final-Recipient: {address_type}; {result.recipient.address}"
    yield f"Action: {result.action.value}"
    yield f"Status: {_status(result)}"
    if result.remote:
        yield _folded("Remote-MTA", f"dns; {result.remote}")
    if result.diagnostic:
        yield _folded("Diagnostic-Code", f"smtp; {result.diagnostic[:LONGEST_WORDS]}")
    if result.last_attempt is not None:
        yield f"Last-Attempt-Date: {message_date(result.last_attempt).decode()}"
    if result.action is Action.DELAYED and result.retry_until is not None:
        yield f"Will-Retry-Until: {message_date(result.retry_until).decode()}"


_CLASSES: Final = {Action.FAILED: "5", Action.DELAYED: "4"}


def _status(result: Result) -> str:
    """Return a status whose class fits the action: expiry is 5, whatever the last reply was."""
    digit = _CLASSES.get(result.action, "2")
    known = _STATUS.fullmatch(result.status)
    return digit + result.status[1:] if known else f"{digit}.0.0"


def _unxtext(text: str) -> str:
    """Decode xtext, which is for printable ASCII; anything else that it hides becomes "?"."""
    return _XTEXT.sub(_decoded, text)


def _decoded(pair: re.Match[str]) -> str:
    char = chr(int(pair[1], 16))
    return char if " " <= char <= "~" else "?"


def _folded(name: str, value: str) -> str:
    """Return a field without its last line end, folded between words."""
    lines = [f"{name}:"]
    for word in pieces(value, _LONGEST_WORD):
        if len(lines[-1]) + 1 + len(word) > _FOLD_AT and not lines[-1].endswith(":"):
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    return "\r\n".join(lines)
