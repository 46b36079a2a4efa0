"""Encoded words (RFC 2047), read for people and written for notices.

What is decoded here is shown, searched and logged; it never goes back to the wire, because a
decoded word may hold anything, a line break included.  Charsets are a closed list: Python also
knows codecs that are no charsets (zip, rot13, unicode_escape).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_WORD: Final = re.compile(
    r"=\?(?P<charset>[A-Za-z0-9_.:-]{1,40})(?:\*[A-Za-z0-9-]{1,20})?"
    r"\?(?P<encoding>[BbQq])\?(?P<data>[!->@-~]{0,1000})\?="
)
_BETWEEN: Final = re.compile(r"(?<=\?=)[ \t\r\n]++(?==\?)")
_CHARSET: Final = re.compile(
    r"utf-?8|utf-?16(?:[bl]e)?|(?:us-)?ascii|iso-?8859-\d{1,2}|iso-2022-(?:jp|kr)|windows-\d{3,4}|cp\d{3,4}"
    r"|koi8-[ru]|euc-(?:jp|kr)|shift[_-]jis|gb2312|gbk|gb18030|big5(?:-hkscs)?|tis-620",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


def is_charset(name: str) -> bool:
    """Say whether text of strangers may be decoded with this.

    Python knows more codecs, some of which take minutes for a megabyte (punycode, idna) or are
    no charsets at all.

    >>> is_charset("UTF-8"), is_charset("punycode")
    (True, False)
    """
    return _CHARSET.fullmatch(name) is not None


def decode_words(text: str) -> str:
    """Return `text` with its encoded words decoded, in one line that is safe to print.

    A word that cannot be decoded stays as it is written; what is not printable becomes U+FFFD.

    >>> decode_words("=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?IQ==?= to all")
    'Grüße! to all'
    """
    if "=?" in text:
        text = "".join(_runs(_BETWEEN.sub("", text)))
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def encode_words(text: str) -> str:
    """Return printable ASCII as it is, anything else as encoded words separated by spaces.

    Each word is at most 75 characters (RFC 2047, section 2); the caller folds at the spaces.

    >>> encode_words("Bücher")
    '=?utf-8?b?QsO8Y2hlcg==?='
    """
    if text.isascii() and text.isprintable():
        return text
    # 45 octets are 60 in base64; 11 characters are at most 44 octets.
    parts = [text[start : start + 11] for start in range(0, len(text), 11)]
    return " ".join(
        f"=?utf-8?b?{base64.b64encode(part.encode('utf-8', 'replace')).decode()}?="
        for part in parts
    )


def _runs(text: str) -> list[str]:
    """Cut into plain text and decoded words, joining neighbours that share a charset.

    Some programs cut a multi-byte character between two words, so octets are joined first.
    """
    out: list[str] = []
    charset, octets, end = "", b"", 0
    for word in _WORD.finditer(text):
        data = _octets(word["encoding"], word["data"])
        if data is None or not is_charset(word["charset"]):
            continue
        if word.start() > end or word["charset"].lower() != charset:
            out += (_decode(octets, charset), text[end : word.start()])
            octets = b""
        charset, octets, end = word["charset"].lower(), octets + data, word.end()
    return [*out, _decode(octets, charset), text[end:]]


def _octets(encoding: str, data: str) -> bytes | None:
    if encoding in "Qq":
        spaced = data.replace("_", " ").encode("ascii")
        return _QUOTED.sub(lambda pair: bytes.fromhex(pair[1].decode()), spaced)
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        return None


def _decode(octets: bytes, charset: str) -> str:
    if not octets:
        return ""
    try:
        return octets.decode(charset, "replace")
    except LookupError:  # of the shape of a charset, yet unknown: iso-8859-12
        return octets.decode("ascii", "replace")
