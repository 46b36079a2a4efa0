"""A counter with its storage in memory, real sockets and real TLS, for tests."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from postwicket.config import Listener, SessionSettings
from postwicket.core.entry import Entry
from postwicket.core.queue_id import QueueIds
from postwicket.identity.app_password import fingerprint
from postwicket.net.authority import ensure_authority
from postwicket.net.certificates import Certificates
from postwicket.policy.amount import Allowance
from postwicket.storage.bodies import BodyStore
from postwicket.storage.interfaces import Content
from postwicket.storage.memory import Memory, MemoryQueue
from postwicket.storage.memory_store import MemoryStore
from postwicket.storage.values import Claimed, Message
from postwicket.submission.accept import Door
from postwicket.submission.connection import Connection
from postwicket.submission.counter import Counter
from postwicket.submission.listening import Listening, terms_of
from postwicket.submission.session import Session
from postwicket.submission.sign_in import Members, SignIn
from postwicket.trust.signer import Signer

ANN = "ann@example.org"
APP_PASSWORD = "abcdefghijklmnop"
KEY = b"k" * 32
LETTER = b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: tea\r\n\r\nAt four?\r\n"


class Onward:
    """Takes what is accepted, and remembers it."""

    def __init__(self) -> None:
        self.offered: list[tuple[Claimed, Content | None]] = []
        self.full = False

    def room(self, message: Message) -> bool:  # noqa: ARG002 - the protocol's
        """Say whether there is room."""
        return not self.full

    def offer(self, claimed: Claimed, content: Content | None) -> None:
        """Take a message."""
        self.offered.append((claimed, content))


async def at_once(_: float) -> None:
    """Do not wait."""


class Shop:
    """Everything behind the listeners, and the listeners' ports by TLS mode."""

    def __init__(
        self,
        folder: Path,
        settings: SessionSettings,
        allowance: Allowance,
        signer: Signer | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.memory = Memory(BodyStore(folder / "bodies"))
        self.store = MemoryStore(self.memory)
        self.queue = MemoryQueue(self.memory, self.loop)
        self.onward = Onward()
        self.threads = ThreadPoolExecutor(2)
        self.bugs: list[Exception] = []
        self.store.add_account(ANN, name="Ann", password_hash="", now=1.0)
        self.app_password = self.store.add_app_password(
            ANN, label="test", fingerprint=fingerprint(KEY, APP_PASSWORD), now=1.0
        )
        members = Members(self.store)
        self.sign_in = SignIn(members, KEY, clock=time.time, threads=self.threads, sleep=at_once)
        self.door = Door(
            self.queue,
            self.onward,
            QueueIds(1),
            slot=1,
            hostname="mail.example.org",
            expire=1000.0,
            clock=time.time,
            disk=self.threads,
            signer=signer,
        )
        self.counter = Counter(
            settings=settings,
            door=self.door,
            sign_in=self.sign_in,
            members=members,
            bodies=self.memory.bodies,
            allowance=allowance,
            record=self.queue.record,
            report=self.bugs.append,
            clock=time.time,
            disk=self.threads,
            loop=self.loop,
        )
        own = ensure_authority(folder, "mail.example.org")
        self.ca = own.ca
        self.certificates = Certificates(own.certificate, own.key, clock=time.monotonic)
        self.ports: dict[str, int] = {}

    def listening(self, listener: Listener) -> Listening:
        """Return what connections to this listener are told."""
        return Listening(
            settings=listener,
            terms=terms_of(
                listener,
                hostname="mail.example.org",
                size=200_000,
                recipients=3,
                hold_at_most=86_400,
            ),
            certificates=None if listener.tls == "none" else self.certificates,
            starttls_ports=(587,),
        )

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts this server."""
        return ssl.create_default_context(cafile=str(self.ca))

    def entries(self, kind: type[Entry]) -> list[Entry]:
        """Return what the journal holds of one kind."""
        return [entry for entry in self.memory.journal if isinstance(entry, kind)]


@asynccontextmanager
async def open_shop(
    folder: Path,
    *listeners: Listener,
    settings: SessionSettings | None = None,
    allowance: Allowance | None = None,
    signer: Signer | None = None,
) -> AsyncIterator[Shop]:
    """Serve the listeners (by default one for each TLS mode) on free ports."""
    allowance = allowance or Allowance(
        messages_per_day=100,
        recipients_per_day=1000,
        recipients_per_message=3,
        message_size=200_000,
    )
    shop = Shop(folder, settings or SessionSettings(greeting_wait=0.1), allowance, signer)
    servers = []
    for listener in listeners or (
        Listener(address="127.0.0.1:0"),
        Listener(address="127.0.0.1:0", tls="implicit"),
        Listener(address="127.0.0.1:0", tls="none", account=ANN),
    ):
        listening = shop.listening(listener)
        make: Callable[[], Connection] = partial(
            Connection, listening, shop.counter, partial(Session, listening, shop.counter)
        )
        server = await shop.loop.create_server(make, "127.0.0.1", 0)
        shop.ports[listener.tls] = server.sockets[0].getsockname()[1]
        servers.append(server)
    try:
        yield shop
    finally:
        for writer in CONNECTED:
            writer.transport.abort()
        CONNECTED.clear()
        for server in servers:
            server.close()
        shop.counter.abandon()
        await asyncio.wait_for(shop.counter.emptied(), 5)
        shop.threads.shutdown()


CONNECTED: list[asyncio.StreamWriter] = []


class Client:
    """A client that says what it is told, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        CONNECTED.append(writer)

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext | None = None) -> Client:
        """Connect to a port of this machine, with TLS at once if there is a context."""
        name = "localhost" if context else None
        return cls(
            *await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        )

    async def hear(self) -> str:
        """Return one whole reply, or what came before the end."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 5)).decode()
            lines.append(line)
            if line[3:4] != "-":
                return "".join(lines).rstrip("\r\n")

    async def say(self, line: str | bytes) -> str:
        """Send a line and return the reply."""
        data = line.encode() if isinstance(line, str) else line
        self.writer.write(data + b"\r\n")
        return await self.hear()

    async def script(self, *lines: str) -> list[str]:
        """Say several lines, one after the other."""
        return [await self.say(line) for line in lines]

    async def starttls(self, context: ssl.SSLContext) -> None:
        """Upgrade."""
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self.writer.start_tls(context, server_hostname="localhost")

    async def rest(self) -> bytes:
        """Return everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 5)

    async def close(self) -> None:
        """Go away."""
        self.writer.close()
