"""One message on its way in: frame, size limit and purity, for DATA and for BDAT alike."""

from __future__ import annotations

from typing import Final

from postwicket.core.reply import Reply

from . import replies
from .framing import BareLineEnd, ChunkReader, DotReader

# A client that goes on this much above the limit is not going to read the reply.
PATIENCE: Final = 100_000_000  # octets


class Incoming:
    """Reads the content of one message.

    `refusal` is set once the message cannot be taken any more; what comes after that is read
    and thrown away, so that it never becomes commands.  `told` is whether the application
    knows.  `fatal` means that the connection cannot be trusted any further.
    """

    __slots__ = ("_frame", "_limit", "fatal", "reading", "refusal", "size", "told")

    def __init__(self, limit: int, frame: DotReader | ChunkReader) -> None:
        self._frame = frame
        self._limit = limit
        self.size = 0
        self.refusal: Reply | None = None
        self.told = False
        self.fatal = False
        self.reading = isinstance(frame, DotReader)

    def begin_chunk(self, octets: int, *, last: bool) -> None:
        """Expect one chunk of BDAT (RFC 3030, section 2)."""
        if isinstance(self._frame, ChunkReader):
            self._frame.begin(octets, last=last)
        self.reading = True
        if self.size + octets > self._limit + PATIENCE:
            self.refusal, self.fatal = replies.too_large(self._limit), True

    def refuse(self, reply: Reply) -> None:
        """Read what is announced already, but keep none of it; the application said no."""
        self.refusal = reply
        self.told = True

    @property
    def waiting(self) -> bool:
        """True when nothing can happen before more bytes come."""
        return self._frame.waiting and not self.fatal

    @property
    def chunk(self) -> int | None:
        """Octets of the chunk just read when another will follow; None at the message's end."""
        return self._frame.chunk

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what `data` adds to the message, and what follows the message or chunk."""
        try:
            content, rest = self._frame.read(data)
        except BareLineEnd:
            self.refusal = self.refusal or replies.BARE_IN_CONTENT
            self.fatal = True
            return b"", b""
        self.reading = rest is None
        self.size += len(content)
        if self.size > self._limit and self.refusal is None:
            self.refusal = replies.too_large(self._limit)
        self.fatal = self.fatal or self.size > self._limit + PATIENCE
        return content if self.refusal is None else b"", rest or b""
