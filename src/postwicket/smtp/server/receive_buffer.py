"""Bytes from the network, until they are a line or the content of a message."""

from __future__ import annotations

from typing import Self

from postwicket.core.reply import Reply

from . import replies


class ReceiveBuffer:
    """Gives lines and pieces; of a line that is too long it keeps nothing."""

    __slots__ = ("_bytes", "_skipping")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._skipping = False

    def __len__(self) -> int:
        return len(self._bytes)

    def __iadd__(self, data: bytes) -> Self:
        self._bytes += data
        return self

    def line(self, longest: int) -> bytes | Reply | None:
        """Return the next line without its CR LF, the reply that refuses it, or None.

        A line ends at LF, so that a client which forgets the CR is told so instead of left
        waiting; but only CR LF ends a line that is obeyed.
        """
        end = self._bytes.find(b"\n")
        if end < 0:
            if self._skipping or len(self._bytes) >= longest:
                self._bytes.clear()
                self._skipping = True
            return None
        line = bytes(self._bytes[: end + 1])
        del self._bytes[: end + 1]
        if self._skipping or len(line) > longest:
            self._skipping = False
            return replies.TOO_LONG
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            return replies.BARE_LINE_END
        return line[:-2]

    def everything(self) -> bytes:
        """Take all there is."""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data

    def clear(self) -> None:
        """Throw away all there is."""
        self._bytes.clear()
        self._skipping = False
