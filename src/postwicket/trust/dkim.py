r"""DKIM signatures (RFC 6376, RFC 8301, RFC 8463): what is hashed, and the fields that come of it.

Pure: bytes, keys and the time come in.  Canonicalisation is relaxed/relaxed, the whole body is
hashed (no `l=`), and every signature has `t=` and `x=`.  Which key signs is `trust.keyring`'s
business, when and where `trust.signer`'s.

    hasher = BodyHasher()
    hasher.update(b"Hello \r\n")
    fields = sign_header(header, hasher.digest(), keys, now=now, expires=now + 604_800)

Two kinds of field are signed.  `SEALED` ones are named once more than they are there (RFC 6376,
section 8.15), so that nobody can add another; those in `SIGNED` are named as often as they are
there and sealed only where there is one, because mailing lists add theirs and would break the
signature (docs/decisions/dkim.md).  Trace fields are never signed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol

from postwicket.message.header import Header

SEALED: Final = (
    "from",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
SIGNED: Final = (
    "sender",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-help",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "resent-date",
    "resent-from",
    "resent-to",
    "resent-cc",
    "resent-message-id",
    "auto-submitted",
    "feedback-id",
)
NAME: Final = b"DKIM-Signature"
LONGEST_LINE: Final = 76  # octets without CR LF; RFC 5322, section 2.1.1 asks for 78 at most
_BLOCK: Final = b"\r\n" * 32_768


class SigningKey(Protocol):
    """A private key with its name in DNS: `selector`._domainkey.`domain`, both A-labels."""

    @property
    def domain(self) -> str:
        """The domain that signs (`d=`)."""
        ...

    @property
    def selector(self) -> str:
        """The selector (`s=`)."""
        ...

    @property
    def algorithm(self) -> str:
        """`rsa-sha256` or `ed25519-sha256`."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a SHA-256 digest."""
        ...


class BodyHasher:
    """The body hash (`bh=`), relaxed (RFC 6376, section 3.4.4), of pieces cut anywhere.

    What is kept between pieces is a few octets, however much white space comes.  With
    `separator` the pieces begin with the empty line between header and body, as bodies are
    stored, and it is left out.
    """

    __slots__ = ("_any", "_hash", "_lines", "_skip", "_tail")

    def __init__(self, *, separator: bool = False) -> None:
        self._hash = hashlib.sha256()
        self._skip = 2 if separator else 0
        self._tail = b""  # white space and CR whose meaning the next octet decides
        self._lines = 0  # ends of lines that count only if more text follows
        self._any = False

    def update(self, piece: bytes) -> None:
        """Take the next octets."""
        if self._skip:
            skipped = min(self._skip, len(piece))
            self._skip -= skipped
            piece = piece[skipped:]
        if not piece:
            return
        text = _one_space(self._tail + piece)
        tail = _undecided(text)
        if tail:
            text = text[: -len(tail)]
        text, lines = _without_last_lines(text)
        if text:
            self._end_lines()
            self._hash.update(text)
            self._any = True
        self._lines += lines
        self._tail = tail

    def digest(self) -> bytes:
        """Return the SHA-256 hash of the whole body; nothing can be added after that."""
        if self._tail.endswith(b"\r"):
            self._end_lines()
            self._hash.update(self._tail)
            self._any = True
        if self._any:  # "an empty body stays empty; any other ends with CR LF"
            self._hash.update(b"\r\n")
        self._tail, self._lines, self._any = b"", 0, False
        return self._hash.digest()

    def _end_lines(self) -> None:
        blocks, rest = divmod(self._lines, len(_BLOCK) // 2)
        for _ in range(blocks):
            self._hash.update(_BLOCK)
        self._hash.update(_BLOCK[: 2 * rest])
        self._lines = 0


def _one_space(text: bytes) -> bytes:
    """Reduce white space within lines to one space, and at their ends to none."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    elif b" " not in text:  # base64, and one octet is found far quicker than two
        return text
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text.replace(b" \r\n", b"\r\n")


def _undecided(text: bytes) -> bytes:
    if text.endswith(b"\r"):
        return b" \r" if text.endswith(b" \r") else b"\r"
    return b" " if text.endswith(b" ") else b""


def _without_last_lines(text: bytes) -> tuple[bytes, int]:
    """Return the text without the CR LF at its end, and how many they were."""
    if not text.endswith(b"\r\n"):
        return text, 0
    bare = text.rstrip(b"\r\n")
    lines, odd = divmod(len(text) - len(bare), 2)
    if not odd and text.endswith(b"\r\n" * lines):
        return bare, lines
    end = len(text)
    while text.endswith(b"\r\n", 0, end):  # among them a CR or LF by itself, which is text
        end -= 2
    return text[:end], (len(text) - end) // 2


def relaxed_field(name: bytes, value: bytes) -> bytes:
    r"""Return a header field as it is hashed (RFC 6376, section 3.4.2), without a final CR LF.

    >>> relaxed_field(b"SUBJect", b" \t a\t\r\n b  \r\n")
    b'subject:a b'
    """
    words = value.replace(b"\r\n", b"").replace(b"\t", b" ").split(b" ")
    return name.lower() + b":" + b" ".join(filter(None, words))


def sign_header(
    header: Header, body_hash: bytes, keys: Sequence[SigningKey], *, now: float, expires: float
) -> bytes:
    """Return a DKIM-Signature field for each key, whole and folded, to be put on top.

    Later fields stand above and below: nothing of what they sign is moved.
    """
    names, signed = _signed_fields(header)
    covered = hashlib.sha256(signed)
    tags = _tags(body_hash, names, now=now, expires=expires)
    fields = []
    for key in keys:
        start = (
            f" v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain};\r\n s={key.selector};"
        )
        value = start.encode() + tags + b"\r\n b="
        digest = covered.copy()
        digest.update(relaxed_field(NAME, value))
        signature = base64.b64encode(key.sign(digest.digest()))
        fields.append(NAME + b":" + value + _folded(signature, first=3) + b"\r\n")
    return b"".join(fields)


def _signed_fields(header: Header) -> tuple[list[bytes], bytes]:
    """Return the names for `h=`, and the fields as they are hashed.

    Of several fields with one name the last is signed first (RFC 6376, section 5.4.2).
    """
    names: list[bytes] = []
    lines: list[bytes] = []
    for key in SEALED + SIGNED:
        found = header.by_key.get(key, ())
        name = key.encode()
        for one in reversed(found):
            lines.append(relaxed_field(name, one.raw[len(one.name) + 1 :]))
            names.append(name)
        if key in _ALWAYS or found:
            names.append(name)
    lines.append(b"")
    return names, b"\r\n".join(lines)


_ALWAYS: Final = frozenset(SEALED)


def _tags(body_hash: bytes, names: Sequence[bytes], *, now: float, expires: float) -> bytes:
    """Return the tags that all signatures of a message share, each line folded."""
    times = f" t={int(now)}; x={int(expires)};".encode()
    lines, line = [times], b" h=" + names[0]
    for name in names[1:]:
        if len(line) + len(name) + 2 > LONGEST_LINE:
            lines.append(line + b":")
            line = b" " + name
        else:
            line += b":" + name
    lines.append(line + b";")
    lines.append(b" bh=" + base64.b64encode(body_hash) + b";")
    return b"\r\n".join(lines)


def _folded(text: bytes, *, first: int) -> bytes:
    """Return long base64 on lines of its own; `first` octets are on the first line already."""
    room = LONGEST_LINE - 1
    cuts = [0, *range(room - first, len(text), room), len(text)]
    return b"\r\n ".join(text[a:b] for a, b in pairwise(cuts))


def signature_names(value: bytes) -> tuple[str, str]:
    """Return the domain (`d=`) and selector (`s=`) of a signature's value, "" where not said.

    >>> signature_names(b"v=1; a=rsa-sha256; d=example.org; s=pw20261124r; bh=; b=")
    ('example.org', 'pw20261124r')
    """
    tags = {}
    for tag in value.decode("ascii", "replace").split(";"):
        name, _, text = tag.partition("=")
        tags[name.strip()] = "".join(text.split()).lower()
    return tags.get("d", ""), tags.get("s", "")
