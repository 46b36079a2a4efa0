"""A header with UTF-8 in it, said in ASCII: for a server that takes nothing else.

A submission server may do this (RFC 6531, section 3.2, and RFC 6409, section 8) where the
addresses allow it: text becomes encoded words (RFC 2047), a domain its A-label, a parameter its
extended form (RFC 2231), a URL its percent-encoded one.  A name before the @ that is not ASCII
has no other spelling: then it is refused, with the reason.  Fields in ASCII stay byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from postwicket.core.address import Address, parse_domain

from .encoded_words import decode_words, encode_words
from .header import Field, Header

LONGEST_LINE: Final = 76  # octets: encoded words want no longer ones (RFC 2047, section 2)

_ADDRESSES: Final = frozenset(
    {
        "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender",
        "resent-reply-to", "resent-to", "resent-cc", "resent-bcc", "return-path", "errors-to",
        "disposition-notification-to", "return-receipt-to", "mail-followup-to", "mail-reply-to",
    }
)  # fmt: skip
_PARAMETERS: Final = frozenset({"content-type", "content-disposition"})
_URLS: Final = frozenset(
    {
        "list-unsubscribe", "list-subscribe", "list-post", "list-help", "list-archive",
        "list-owner", "archived-at",
    }
)  # fmt: skip
_FIXED: Final = frozenset(
    {"message-id", "in-reply-to", "references", "resent-message-id", "content-id"}
)

_TOKEN: Final = re.compile(
    # Bounded: what is never closed is looked through once from each quotation mark.
    r'(?P<quoted>"(?:[^"\\]|\\.){0,500}+")(?P<at>@[^\s"(),:;<>]++)?'
    r"|(?P<comment>\((?:[^()\\]|\\.){0,500}+\))"
    r"|<(?P<angle>[^<>]*+)>"
    r"|(?P<word>[^\s\"(),:;<>]++)"
    r"|(?P<space>\s++)|(?P<special>.)"
)
_PARAMETER: Final = re.compile(
    r';\s*+([A-Za-z0-9_.-]{1,60})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]++))'
)
_DOMAIN: Final = re.compile(r"(?<=@)[^\s<>;,()\"@]++")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9!#$&+.^_`|~-]+")  # RFC 2231, section 7
_ESCAPED: Final = re.compile(r"\\(.)")


class CannotConvert(ValueError):
    """It cannot be said in that form; the message is the reason, for people."""


def ascii_header(header: Header) -> bytes:
    r"""Return the header in ASCII; raise CannotConvert where it has no such form.

    >>> ascii_header(Header.parse("Subject: Grüße\r\nX-A: b\r\n".encode()))
    b'Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nX-A: b\r\n'
    """
    return b"".join(
        field.raw if field.raw.isascii() else _converted(field) for field in header.fields
    )


def _converted(field: Field) -> bytes:
    name = field.name.decode("ascii")
    try:
        value = field.value.decode("utf-8")
    except UnicodeDecodeError:
        raise CannotConvert(f"the field {name[:60]} is not UTF-8") from None
    if field.key in _FIXED:
        raise CannotConvert(f"the field {name[:60]} has an identifier that is not ASCII")
    if field.key in _ADDRESSES:
        value = "".join(_addresses(value))
    elif field.key in _PARAMETERS:
        value = _PARAMETER.sub(_parameter, value)
    elif field.key in _URLS:
        value = _NOT_ASCII.sub(_percent, value)
    elif field.key == "received":
        value = _DOMAIN.sub(lambda match: _a_label(match[0]), value)
    if not value.isascii():
        value = _text(value)
    return _folded(name, value)


def _text(value: str) -> str:
    """Return text with what is not ASCII as encoded words, neighbours together."""
    if "=?" in value:
        return encode_words(decode_words(value))  # beside words of its own: all anew
    words = value.split(" ")
    out: list[str] = []
    run: list[str] = []
    for word in [*words, ""]:
        if not word.isascii():
            run.append(word)
            continue
        if run:
            out.append(encode_words(" ".join(run)))
            run = []
        out.append(word)
    return " ".join(out[:-1])


def _addresses(value: str) -> Iterator[str]:
    """Yield an address list piece by piece; the words of a display name go together."""
    phrase: list[re.Match[str]] = []
    for token in _TOKEN.finditer(value):
        kind = token.lastgroup
        if kind in {"quoted", "space"} or (kind == "word" and "@" not in token[0]):
            phrase.append(token)
            continue
        yield _phrase(phrase)
        phrase = []
        if kind == "angle":
            yield f"<{_address(token['angle'])}>"
        elif kind == "comment":
            yield _comment(token["comment"])
        elif kind in {"word", "at"}:
            yield _address(token[0])
        else:
            yield token[0]
    yield _phrase(phrase)


def _phrase(tokens: list[re.Match[str]]) -> str:
    whole = "".join([token[0] for token in tokens])
    if whole.isascii():
        return whole
    words = [_plain(token["quoted"][1:-1]) if token["quoted"] else token[0] for token in tokens]
    said = decode_words("".join(words))
    lead = " " if said[:1].isspace() else ""
    tail = " " if said[-1:].isspace() else ""
    return lead + encode_words(said.strip()) + tail


def _comment(text: str) -> str:
    return text if text.isascii() else f"({encode_words(_plain(text[1:-1]))})"


def _plain(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted)


def _address(text: str) -> str:
    if text.isascii():
        return text
    try:
        address = Address.parse(text.strip())
    except ValueError:
        raise CannotConvert(f"{text[:80]!r} is no address that has an ASCII form") from None
    if not address.local.isascii():
        raise CannotConvert(f"the name before the @ in {text[:80]} has no ASCII form")
    return f"{address.local}@{address.wire_domain}"


def _a_label(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return Address("x", parse_domain(domain)).wire_domain
    except ValueError:
        return domain


def _parameter(match: re.Match[str]) -> str:
    value = _plain(match[2]) if match[2] is not None else match[3]
    if value.isascii():
        return match[0]
    return f"; {match[1]}*=utf-8''{_NOT_PLAIN.sub(_percent, value)}"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in match[0].encode())


def _folded(name: str, value: str) -> bytes:
    """Return the field in lines that are as short as its spaces allow."""
    lines: list[str] = []
    line = f"{name}:"
    for word in value.split(" "):
        if word and len(line) + 1 + len(word) > LONGEST_LINE and line.strip():
            lines.append(line)
            line = ""
        line += f" {word}"
    lines.append(line)
    return "\r\n".join(lines).encode("ascii") + b"\r\n"
