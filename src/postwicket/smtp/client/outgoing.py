"""Content on its way out: nothing leaves that two servers could read differently.

A message is lines that end in CR LF.  A CR or LF alone, or a NUL, is how mail gets smuggled
past servers that disagree about where a message ends, so it never leaves in either mode (DATA
or BDAT); only a body declared BINARYMIME may hold anything, and it travels by count.
"""

from __future__ import annotations

CRLF = b"\r\n"


def is_clean(data: bytes) -> bool:
    """Say whether whole content has CR and LF only as pairs, and no NUL."""
    pairs = data.count(b"\r\n")
    return data.count(b"\r") == pairs == data.count(b"\n") and b"\0" not in data


def dot_stuffed(data: bytes) -> bytes:
    """Return whole, clean content as DATA wants it, with the final dot (RFC 5321, 4.5.2)."""
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    if data.startswith(b"."):
        data = b"." + data
    if data and not data.endswith(CRLF):
        data += CRLF
    return data + b".\r\n"


class CleanLines:
    """Checks content that comes in pieces, wherever they were cut."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open = False  # the last piece ended in CR

    def accepts(self, piece: bytes) -> bool:
        """Say whether everything so far is clean; a CR at the end waits for the next piece."""
        if not piece:
            return True
        if self._open:
            if piece[0] != 0x0A:
                return False
            piece = piece[1:]
        self._open = piece.endswith(b"\r")
        return is_clean(piece[:-1] if self._open else piece)

    @property
    def complete(self) -> bool:
        """False when the content ended in a CR."""
        return not self._open


class DotStuffer:
    """Dot-stuffs clean content that comes in pieces, wherever they were cut."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = CRLF  # the last two octets; content begins at the start of a line

    def piece(self, data: bytes) -> bytes:
        """Return a piece with its leading dots doubled."""
        if not data:
            return data
        # A lone LF cannot be here (see CleanLines), so an LF before means a new line.
        first = data.startswith(b".") and self._tail.endswith(b"\n")
        self._tail = (self._tail + data[-2:])[-2:]
        stuffed = data.replace(b"\n.", b"\n..") if b"\n." in data else data
        return b"." + stuffed if first else stuffed

    def end(self) -> bytes:
        """Return what ends the content."""
        return b".\r\n" if self._tail == CRLF else b"\r\n.\r\n"
