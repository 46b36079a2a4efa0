"""A scripted SMTP server on a real socket: says what it is told to, remembers what it heard."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from postwicket.net.tls import TlsFailed, TlsLayer

OFFERS = ("PIPELINING", "8BITMIME", "SIZE 0")


@dataclass
class Script:
    """What the peer does.  `replies` is by command or by command line; b"" drops the line.

    A reply of None means silence from then on; one that ends in `!` (after its line end) closes
    the connection behind it.  What is in `once` is said once, and before `replies`.
    """

    offers: tuple[str, ...] = OFFERS
    greeting: bytes | None = b"220 peer\r\n"
    replies: dict[str, bytes | None] = field(default_factory=dict)
    once: dict[str, bytes] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    most: int = 1000  # connections at once; more are greeted with 421
    late: float = 0.0  # seconds before the answer to every command
    slow: float = 0.0  # seconds before the answer to a whole message
    stop_reading: bool = False  # after DATA, until somebody resumes


@dataclass
class Got:
    """One message."""

    sender: str
    recipients: list[str]
    data: bytes


@dataclass
class Peer:
    """The server and what it has seen."""

    script: Script
    port: int = 0
    got: list[Got] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    callers: list[str] = field(default_factory=list)  # their addresses
    open: set[PeerSession] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[Peer]:
        """Accept connections inside the block."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: PeerSession(self), "127.0.0.1", port, backlog=4096
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for session in list(self.open):
                session.transport.abort()
            await asyncio.sleep(0)


class PeerSession(asyncio.Protocol):
    """One connection to the peer."""

    transport: asyncio.Transport

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.script = peer.script
        self.buffer = b""
        self.tls: TlsLayer | None = None
        self.sender = ""
        self.recipients: list[str] = []
        self.body = b""
        self.reading_data = False
        self.chunk = -1
        self.last = False
        self.mute = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or start TLS."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.peer.connections += 1
        self.peer.callers.append(str(self.transport.get_extra_info("peername")[0]))
        self.peer.open.add(self)
        if len(self.peer.open) > self.script.most:
            self.say(b"421 4.3.2 too many connections\r\n!")
            return
        if self.script.implicit:
            self.start_tls()
        self.say(self.script.greeting)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Forget the connection."""
        self.peer.open.discard(self)

    def start_tls(self) -> None:
        """Put TLS under everything that follows."""
        assert self.script.tls is not None
        self.tls = TlsLayer(self.script.tls, server_side=True)

    def say(self, reply: bytes | None) -> None:
        """Write a reply; see `Script`."""
        if reply is None:
            self.mute = True
            return
        close = reply.endswith(b"!")
        data = reply.removesuffix(b"!")
        if self.tls is not None:
            self.tls.send(data)
            data = self.tls.data_to_send()
        self.transport.write(data)
        if close:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Obey the script."""
        if self.tls is not None:
            try:
                data = self.tls.receive(data)
            except TlsFailed:
                self.transport.close()
                return
            self.transport.write(self.tls.data_to_send())
        self.buffer += data
        while not (self.mute or self.transport.is_closing()) and self.step():
            pass

    def step(self) -> bool:
        """Take one line or one piece of content; say whether there was one."""
        if self.chunk >= 0:
            return self.take_chunk()
        if self.reading_data:
            return self.take_data()
        line, found, rest = self.buffer.partition(b"\r\n")
        if not found:
            return False
        self.buffer = rest
        self.obey(line.decode())
        return True

    def take_data(self) -> bool:
        """Take DATA up to its dot."""
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer, found = b"", self.buffer[3:], True
        else:
            data, mark, rest = self.buffer.partition(b"\r\n.\r\n")
            found = bool(mark)
            if found:
                data, self.buffer = data + b"\r\n", rest
        if not found:
            return False
        self.reading_data = False
        self.end(re.sub(rb"(?m)^\.", b"", data))
        return True

    def take_chunk(self) -> bool:
        """Take one BDAT chunk."""
        if len(self.buffer) < self.chunk:
            return False
        self.body += self.buffer[: self.chunk]
        self.buffer = self.buffer[self.chunk :]
        self.chunk = -1
        if self.last:
            self.end(self.body)
        else:
            self.say(self.script.replies.get("BDAT", b"250 chunk\r\n"))
        return True

    def end(self, data: bytes) -> None:
        """Answer a whole message."""
        reply = self.script.replies.get(".", b"250 2.0.0 taken\r\n")
        if reply is None or reply[:1] in {b"2", b"!", b"x"}:
            self.peer.got.append(Got(self.sender, self.recipients, data))
        self.recipients, self.body = [], b""
        if self.script.slow:
            asyncio.get_running_loop().call_later(self.script.slow, self.say, reply)
        else:
            self.say(reply)

    def obey(self, line: str) -> None:
        """Answer one command."""
        self.peer.commands.append(line)
        verb = line.split(" ", 1)[0].upper().split(":")[0]
        replies = self.script.replies
        reply = replies.get(line, replies.get(verb, self.usual(verb)))
        reply = self.script.once.pop(verb, reply)
        if verb == "BDAT":
            self.note(verb, line)
            return  # answered when its octets are here
        if reply is not None and reply[:1] in {b"2", b"3"}:
            self.note(verb, line)
        if self.script.late:
            asyncio.get_running_loop().call_later(self.script.late, self.say, reply)
            return
        self.say(reply)
        begun = verb == "STARTTLS" and reply is not None and reply[:1] == b"2"
        if begun and not self.transport.is_closing():
            self.start_tls()

    def usual(self, verb: str) -> bytes:
        """Return the friendly answer."""
        if verb == "EHLO":
            offers = list(self.script.offers)
            if self.tls is not None:
                offers = [o for o in offers if o != "STARTTLS"]
            lines = ["peer", *offers]
            marked = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
            return "".join(f"{line}\r\n" for line in marked).encode()
        return {
            "DATA": b"354 go\r\n",
            "AUTH": b"235 2.7.0 ok\r\n",
            "QUIT": b"221 bye\r\n!",
            "STARTTLS": b"220 go\r\n",
            "BDAT": b"250 chunk\r\n",
        }.get(verb, b"250 ok\r\n")

    def note(self, verb: str, line: str) -> None:
        """Remember what an accepted command said."""
        if verb == "MAIL":
            self.sender, self.recipients = line, []
        elif verb == "RCPT":
            self.recipients.append(line[line.index("<") + 1 : line.index(">")])
        elif verb == "DATA":
            self.reading_data = True
            if self.script.stop_reading:
                self.transport.pause_reading()
        elif verb == "BDAT":
            words = line.split()
            self.chunk, self.last = int(words[1]), len(words) > 2
