"""The header of a message, field by field, without losing a byte (RFC 5322, section 2.2).

`Header.parse` cuts the bytes before the empty line into fields; the fields' `raw` joined are
the same bytes again.  It refuses what two readers could read differently: a line that is
neither field nor continuation, white space before the colon, a bare CR or LF, a NUL.
It does not judge the values: that is policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .encoded_words import decode_words

LONGEST_NAME: Final = 1024  # octets; what Gmail allows (reference sheet, section 1.4)

# Anchored at line starts and possessive, so that no input is read twice.
_FIELD: Final = re.compile(
    rb"^(([!-9;-~]{1,%d}+):[^\r\n\0]*+(?:\r\n[ \t][^\r\n\0]*+)*+\r\n)" % LONGEST_NAME,
    re.MULTILINE,
)

_REFUSED_OCTETS: Final = ((b"\r", "a bare CR"), (b"\n", "a bare LF"), (b"\0", "a NUL"))


class MalformedHeader(ValueError):
    """The bytes are no header; the message names the line, counted from 1, and the reason."""


class Field(NamedTuple):
    """One header field: its name as written, and all of its bytes with folds and CR LF."""

    name: bytes
    raw: bytes

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower().decode("ascii")

    @property
    def value(self) -> bytes:
        """The value without folds and without white space at its ends."""
        return self.raw[len(self.name) + 1 :].replace(b"\r\n", b"").strip(b" \t")

    @property
    def text(self) -> str:
        """The value for people: encoded words decoded, one printable line; never for the wire."""
        return decode_words(self.value.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Header:
    r"""All fields, in order.

    >>> header = Header.parse(b"Subject: one\r\n two\r\nTo: ann@example.org\r\n")
    >>> header.first("subject").value, header.get_all("cc")
    (b'one two', ())
    """

    raw: bytes
    fields: tuple[Field, ...]
    by_key: Mapping[str, Sequence[Field]] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes) -> Header:
        """Cut `raw`, which has no empty line, into fields; raise `MalformedHeader`."""
        fields = []
        by_key: dict[str, list[Field]] = {}
        size = 0
        for whole, name in _FIELD.findall(raw):
            size += len(whole)
            found = Field(name, whole)
            fields.append(found)
            key = name.lower().decode("ascii")
            if key in by_key:
                by_key[key].append(found)
            else:
                by_key[key] = [found]
        if size != len(raw):
            raise MalformedHeader(_fault(raw))
        return cls(raw, tuple(fields), by_key)

    def get_all(self, name: str) -> tuple[Field, ...]:
        """Return the fields of that name, which is given in lower case, in order."""
        return tuple(self.by_key.get(name, ()))

    def first(self, name: str) -> Field | None:
        """Return the first field of that name, which is given in lower case, or None."""
        found = self.by_key.get(name)
        return found[0] if found else None


def _fault(raw: bytes) -> str:
    """Say which line is at fault, and why."""
    lines = raw.split(b"\r\n")
    for number, line in enumerate(lines[:-1], start=1):
        reason = _line_fault(line, first=number == 1)
        if reason:
            return f"header line {number} {reason}"
    return f"header line {len(lines)} does not end with CR LF"


def _line_fault(line: bytes, *, first: bool) -> str:
    if not line:
        return "is empty, but more follows"
    for octet, what in _REFUSED_OCTETS:
        if octet in line:
            return f"has {what}"
    if line.startswith((b" ", b"\t")):
        return "continues a field, but there is none before it" if first else ""
    name, colon, _ = line.partition(b":")
    return _name_fault(name) if colon else "is neither a field nor a continuation: no colon"


def _name_fault(name: bytes) -> str:
    if name.endswith((b" ", b"\t")):
        return "has white space before the colon"
    if len(name) > LONGEST_NAME:
        return f"has a name longer than {LONGEST_NAME} octets"
    if not name or any(not 33 <= octet <= 126 for octet in name):
        return "has a field name that is empty, or has a space, control or non-ASCII character"
    return ""
