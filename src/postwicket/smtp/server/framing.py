"""Where a message ends: the dot of DATA (RFC 5321, 4.5.2) and the count of BDAT (RFC 3030).

Both readers take pieces of any size and give the content back in pieces, so a message is never
assembled here.  Only CR LF ends a line and only CR LF . CR LF ends a message: accepting any other
spelling lets two servers disagree about where it ends, and that is SMTP smuggling.  A bare CR,
a bare LF or a NUL therefore spoils the whole message.
"""

from __future__ import annotations

from typing import Final

_END: Final = b"\r\n.\r\n"
_BEGINNINGS: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")


class BareLineEnd(Exception):
    """The content has a bare CR, a bare LF or a NUL."""


def is_clean(data: bytes) -> bool:
    r"""Say whether CR and LF occur only as CR LF, and NUL does not.

    >>> is_clean(b"a\r\nb"), is_clean(b"a\nb"), is_clean(b"a\r\r\n"), is_clean(b"\0")
    (True, False, False, False)
    """
    pairs = data.count(b"\r\n")
    return pairs == data.count(b"\n") and pairs == data.count(b"\r") and b"\0" not in data


class DotReader:
    """Reads the content that follows DATA."""

    waiting: Final = True  # nothing happens before bytes come
    chunk: Final = None  # there is only one, and it is the last

    def __init__(self) -> None:
        # The content begins as if a line had just ended, so the end has one spelling only.
        self._kept = b"\r\n"
        self._invented = 2

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return the content that `data` completes and, at the end, what follows it.

        The second value is None while the end has not come.  Raises `BareLineEnd`.
        """
        data = self._kept + data
        end = data.find(_END)
        rest: bytes | None
        if end >= 0:
            content, rest = data[: end + 2], data[end + len(_END) :]
        else:
            kept = next((part for part in _BEGINNINGS if data.endswith(part)), b"")
            content, rest = data[: len(data) - len(kept)], None
            self._kept = kept
        if not is_clean(content):
            raise BareLineEnd
        if content:
            content = content.replace(b"\r\n.", b"\r\n")[self._invented :]
            self._invented = 0
        return content, rest


class ChunkReader:
    """Reads the octets of BDAT chunks.

    With `binary` (BODY=BINARYMIME) octets are octets; the count, not the content, is the frame.
    """

    def __init__(self, *, binary: bool) -> None:
        self._binary = binary
        self._kept = b""
        self._due = 0
        self.size = 0
        self.last = False

    def begin(self, octets: int, *, last: bool) -> None:
        """Start a chunk."""
        self._due = self.size = octets
        self.last = last

    @property
    def waiting(self) -> bool:
        """True when nothing can happen before more bytes come."""
        return self._due > 0

    @property
    def chunk(self) -> int | None:
        """Octets of the chunk just read when another will follow; None for the last."""
        return None if self.last else self.size

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Return the content in `data` and, at the chunk's end, what follows it.

        The second value is None while the end has not come.  Raises `BareLineEnd`.
        """
        taken, rest = data[: self._due], data[self._due :]
        self._due -= len(taken)
        ended = self._due == 0
        if not self._binary:
            taken = self._checked(taken, at_end=ended and self.last)
        return taken, rest if ended else None

    def _checked(self, data: bytes, *, at_end: bool) -> bytes:
        data = self._kept + data
        self._kept = b""
        if data.endswith(b"\r") and not at_end:
            # Its LF may be in the next piece, or in the next chunk.
            self._kept, data = b"\r", data[:-1]
        if not is_clean(data):
            raise BareLineEnd
        return data
