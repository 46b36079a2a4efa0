"""What the client's conversations share: the bytes to write, the stage, the transcript.

The conversations themselves (`client_opening`, `client_transaction`) are generators: they say
lines on the `Wire` and yield, naming whom the next reply concerns, to be resumed with it.  When
there will be no reply any more, `Gone` is thrown into them instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TypeAlias

from postwicket.core.clock import Clock
from postwicket.core.reply import Reply

from .answer import Answer, Stage, Trouble
from .capabilities import HELO_ONLY, Capabilities
from .content import ContentSink
from .events import ClientEvent
from .reply_reader import ReplyReader
from .transcript import EVERYBODY, Transcript

Talk: TypeAlias = Generator[int, Reply, tuple[Answer, ...] | None]

HIDDEN = "********"


class Gone(Exception):
    """The session is over: by a reply (421, or one we cannot go on after) or by trouble."""

    def __init__(
        self,
        *,
        reply: Reply | None = None,
        trouble: Trouble | None = None,
        detail: str = "",
        ours: bool = False,
    ) -> None:
        super().__init__(detail)
        self.reply = reply
        self.trouble = trouble
        self.detail = detail
        self.ours = ours

    @property
    def closed(self) -> bool:
        """True when the peer closed the session, with or without a word."""
        return self.trouble is Trouble.LOST or (self.reply is not None and self.reply.code == 421)

    def at(self, stage: Stage) -> Answer:
        """Return the answer that this is to whoever waited in `stage`."""
        return Answer(stage, self.reply, self.trouble, self.detail, self.ours)


class Wire:
    """One session's shared state; owned by the machine, used by its conversations."""

    __slots__ = (
        "capabilities",
        "clock",
        "dirty",
        "events",
        "mails",
        "out",
        "over",
        "reader",
        "scrub",
        "secure",
        "sink",
        "stage",
        "transcript",
        "upgrading",
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.out: list[bytes] = []
        self.events: deque[ClientEvent] = deque()
        self.reader = ReplyReader()
        self.transcript = Transcript(clock())
        self.stage = Stage.GREETING
        self.capabilities: Capabilities = HELO_ONLY
        self.secure = ""  # the TLS version and cipher, or ""
        self.upgrading = False  # waiting for a handshake, not for a reply
        self.sink: ContentSink | None = None  # where pieces of content go, while they may
        self.dirty = False  # the last transaction did not end: RSET before the next
        self.over: Gone | None = None  # why nothing more will be said
        self.mails = 0  # transactions begun
        self.scrub: tuple[str, ...] = ()  # what a reply must not repeat into the transcript

    def say(self, line: str, who: int = EVERYBODY, *, shown: str = "") -> None:
        """Write one command line; `shown` is what the transcript has instead."""
        self.out.append(line.encode() + b"\r\n")
        self.transcript.sent(self.clock(), shown or line, who)

    def say_all(self, lines: list[tuple[str, int]]) -> None:
        """Write several command lines in one go (RFC 2920)."""
        now = self.clock()
        for line, who in lines:
            self.transcript.sent(now, line, who)
        self.out.append("".join([f"{line}\r\n" for line, _ in lines]).encode())
