"""Reading replies from a peer that may be anything: bounded, and never an exception to fear.

Feed bytes, take replies.  `PeerMisbehaved` is the only exception: a line that is no reply line
(RFC 5321, section 4.2), codes that change within a reply, a line or a reply without an end.
A line that ends in LF alone is taken: nothing but our own reading depends on it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from postwicket.core.reply import Reply, parse_reply

# RFC 5321, section 4.5.3.1.5 allows 512; real servers put links into theirs.
LONGEST_LINE: Final = 2048
MOST_LINES: Final = 128  # in one reply; the longest EHLO answers have some thirty

_OFTEN: Final = 64  # octets: what is longer hardly comes twice
_LINE: Final = re.compile(rb"[2-5][0-9]{2}(?:[ -][^\n]*)?")


class PeerMisbehaved(Exception):
    """They broke the protocol; say so and hang up."""


class ReplyReader:
    """Cuts a stream of bytes into replies."""

    __slots__ = ("_buffer", "_lines", "_start")

    def __init__(self) -> None:
        self._buffer = b""
        self._start = 0  # what lies before was read; cutting it off each time would be quadratic
        self._lines: list[str] = []

    @property
    def pending(self) -> bool:
        """True when bytes were received that belong to no complete reply."""
        return self._start < len(self._buffer) or bool(self._lines)

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer.  The caller reads what is complete before feeding more."""
        self._buffer = self._buffer[self._start :] + data if self.pending else data
        self._start = 0

    def forget(self) -> None:
        """Drop what is buffered: nothing that it says counts any more."""
        self._buffer, self._start, self._lines = b"", 0, []

    def next_reply(self) -> Reply | None:
        """Return the next complete reply, or None; raise `PeerMisbehaved`."""
        while True:
            start = self._start
            end = self._buffer.find(b"\n", start, start + LONGEST_LINE)
            if end < 0:
                if len(self._buffer) - start >= LONGEST_LINE:
                    raise PeerMisbehaved(f"a reply line is longer than {LONGEST_LINE} octets")
                return None
            line = self._buffer[start:end]
            self._start = end + 1
            reply = self._take(line.removesuffix(b"\r"))
            if reply is not None:
                return reply

    def _take(self, line: bytes) -> Reply | None:
        if not _LINE.fullmatch(line):
            raise PeerMisbehaved(f"not a reply line: {printable(line)}")
        lines = self._lines
        if not lines and len(line) <= _OFTEN and line[3:4] != b"-":
            return _single(line)
        text = line.decode("utf-8", "replace")
        if lines and lines[0][:3] != text[:3]:
            raise PeerMisbehaved(f"a reply changed its code from {lines[0][:3]} to {text[:3]}")
        lines.append(text)
        if line[3:4] == b"-":
            if len(lines) >= MOST_LINES:
                raise PeerMisbehaved(f"a reply has more than {MOST_LINES} lines")
            return None
        self._lines = []
        return parse_reply(lines)


# Nearly every reply of a busy session is one of three; the cache is small and so are its keys.
@lru_cache(maxsize=256)
def _single(line: bytes) -> Reply:
    return parse_reply([line.decode("utf-8", "replace")])


def printable(data: bytes) -> str:
    """Return the beginning of hostile bytes as one harmless line.

    >>> printable(bytes([27]) + b"[2J")
    '?[2J'
    """
    text = data[:80].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)
