"""A receiver that does what no receiver should; each misdeed has a loopback address of its own.

    async def drop(talk: Talk) -> None:
        await talk.converse({".": HANG_UP})

    with Hostile(port) as hostile:
        visits = hostile.listen("127.0.0.9", drop)

A misdeed is a coroutine over one connection.  `Talk.converse` is a polite server; what it shall
say otherwise is given by the command, with `greeting` for the 220 and `.` for the final reply.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from tests.e2e.server import PATIENCE

from .receivers import Arrived

OFFERS: Final = ("PIPELINING", "8BITMIME", "SIZE 10240000")
HANG_UP: Final = b""
LONGEST: Final = 1 << 20  # octets that a line or a message may have

# Text is a reply, its line ends are added; octets go out as they are, none at all hang up.
# A function is given the whole command and returns one of the two.
Reply: TypeAlias = str | bytes | Callable[[str], "str | bytes"]
Misdeed: TypeAlias = Callable[["Talk"], Awaitable[None]]
# A context, or what is done in the place of a handshake.
Handshake: TypeAlias = "ssl.SSLContext | Misdeed"

_USUAL: Final[dict[str, str]] = {
    "greeting": "220 hostile ESMTP",
    "DATA": "354 go",
    "STARTTLS": "220 go",
    "QUIT": "221 bye",
    ".": "250 2.0.0 taken",
}


class Gone(Exception):
    """The client has hung up."""


@dataclass(slots=True)
class Visits:
    """What one address has seen: connections, commands, messages that it said 250 to."""

    connections: int = 0
    commands: list[str] = field(default_factory=list)
    whole: list[Arrived] = field(default_factory=list)  # taken up to the dot, whatever was said
    troubles: list[str] = field(default_factory=list)

    def count(self, verb: str) -> int:
        """Return how often a command came."""
        return sum(command.upper().startswith(verb) for command in self.commands)


@dataclass(slots=True)
class Talk:
    """One connection, from the receiver's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    visits: Visits
    encrypted: bool = False
    _sender: str = ""
    _recipients: list[str] = field(default_factory=list)

    async def say(self, reply: str | bytes) -> None:
        """Write a reply, or raw octets; raise `Gone` for none at all."""
        if reply == HANG_UP:
            raise Gone
        data = reply if isinstance(reply, bytes) else reply.encode() + b"\r\n"
        self.writer.write(data)
        await self.writer.drain()

    async def command(self) -> str:
        """Return the next command; raise `Gone` when none comes."""
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise Gone
        self.visits.commands.append(line.decode("utf-8", "replace").strip())
        return self.visits.commands[-1]

    async def content(self) -> bytes:
        """Return a message, up to the dot that ends it, dots taken off."""
        end = await self.reader.readuntil(b"\r\n.\r\n")
        content = re.sub(rb"(?m)^\.", b"", end[:-3])
        for recipient in self._recipients:
            self.visits.whole.append(
                Arrived(sender=self._sender, recipient=recipient, content=content, how="")
            )
        return content

    async def encrypt(self, context: ssl.SSLContext) -> None:
        """Do a handshake as a server."""
        await self.writer.start_tls(context)
        self.encrypted = True

    async def silence(self) -> None:
        """Read whatever comes and say nothing until the client goes."""
        while await self.reader.read(65_536):
            pass
        raise Gone

    async def converse(
        self,
        replies: Mapping[str, Reply] | None = None,
        *,
        offers: tuple[str, ...] = OFFERS,
        tls: Handshake | None = None,
    ) -> None:
        """Serve a client until it quits, politely but for what `replies` says."""
        said = {**_USUAL, **(replies or {})}
        await self.say(_now(said["greeting"], ""))
        while True:
            command = await self.command()
            verb = command[:8].upper().split(" ")[0].split(":")[0]
            if verb == "EHLO" and verb not in said:
                await self.say(_greeting(offers, may_encrypt=bool(tls) and not self.encrypted))
                continue
            reply = _now(said.get(verb, "250 ok"), command)
            await self.say(reply)
            await self._follow(verb, command, reply, said, tls)
            if verb == "QUIT":
                return

    async def _follow(
        self,
        verb: str,
        command: str,
        reply: str | bytes,
        said: Mapping[str, Reply],
        tls: Handshake | None,
    ) -> None:
        """Do what a reply has announced."""
        good = reply[:1] in {"2", "3", b"2", b"3"}
        if verb == "MAIL" and good:
            self._sender, self._recipients = _address(command), []
        elif verb == "RCPT" and good:
            self._recipients.append(_address(command))
        elif verb == "DATA" and reply[:3] in {"354", b"354"}:
            await self.content()
            await self.say(_now(said["."], command))
        elif verb == "STARTTLS" and good and tls is not None:
            await (self.encrypt(tls) if isinstance(tls, ssl.SSLContext) else tls(self))


class Hostile:
    """The receiver: a thread with a loop, and an address for each misdeed.  All on one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._talks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def listen(self, address: str, misdeed: Misdeed) -> Visits:
        """Do something to everybody who connects to an address; return what it sees."""
        visits = Visits()
        self._wait_for(self._listen(address, misdeed, visits))
        return visits

    async def _listen(self, address: str, misdeed: Misdeed, visits: Visits) -> None:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._talks.add(task)
            visits.connections += 1
            try:
                async with asyncio.timeout(2 * PATIENCE):
                    await misdeed(Talk(reader, writer, visits))
            except (Gone, OSError, EOFError, asyncio.CancelledError, TimeoutError) as end:
                visits.troubles.append(repr(end))
            finally:
                self._talks.discard(task)
                with contextlib.suppress(Exception):
                    writer.transport.close() if not writer.is_closing() else None

        self._servers.append(
            await asyncio.start_server(meet, address, self.port, limit=LONGEST, backlog=200)
        )

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._talks):
            task.cancel()
        await asyncio.sleep(0)
        if self._talks:
            await asyncio.wait(self._talks, timeout=5)

    def _wait_for(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)


def _now(reply: Reply, command: str) -> str | bytes:
    return reply(command) if callable(reply) else reply


def _greeting(offers: tuple[str, ...], *, may_encrypt: bool) -> str:
    lines = ["hostile", *offers, *(["STARTTLS"] if may_encrypt else [])]
    return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])


def _address(command: str) -> str:
    found = re.search(r"<(.*?)>", command)
    return found[1] if found else command
