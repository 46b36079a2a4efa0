"""Content in pieces: checked, dressed for DATA or BDAT, and counted against what was announced."""

from __future__ import annotations

from postwicket.core.envelope import Body
from postwicket.core.reply import Reply

from .commands import BARE_LINE_END, NEEDS_EIGHT_BIT, SHRUNK, Mail
from .outgoing import CleanLines, DotStuffer


class Flaw(Exception):
    """The content may not go on; `reply` says why.  What was sent of it must not end well."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class ContentSink:
    """Turns pieces into wire bytes; `done` once the size that was announced is reached."""

    __slots__ = ("_ascii_only", "_check", "_left", "_stuffer", "chunks", "done", "refused", "size")

    def __init__(self, mail: Mail, *, chunking: bool, eight_bit: bool) -> None:
        binary = mail.sender.body is Body.BINARY
        self._check = None if binary else CleanLines()
        self._stuffer = None if chunking else DotStuffer()
        self._ascii_only = not eight_bit
        self.size = mail.size
        self._left = mail.size
        self.chunks = 0  # BDAT commands without a reply yet
        self.done = False
        self.refused = False  # the peer has said no: no more pieces, please

    def piece(self, data: bytes) -> bytes:
        """Return what to write for a piece; raise `Flaw`."""
        if self._ascii_only and not data.isascii():
            raise Flaw(NEEDS_EIGHT_BIT)
        if self._check and not self._check.accepts(data):
            raise Flaw(BARE_LINE_END)
        self._left -= len(data)
        if self._left < 0:
            raise Flaw(SHRUNK)
        self.done = self._left == 0
        if self.done and self._check and not self._check.complete:
            raise Flaw(BARE_LINE_END)
        if self._stuffer:
            return self._stuffer.piece(data) + (self._stuffer.end() if self.done else b"")
        self.chunks += 1
        return b"BDAT %d%s\r\n" % (len(data), b" LAST" if self.done else b"") + data
