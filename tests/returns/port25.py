"""An inbound listener with its storage in memory, on a real socket, for tests."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from postwicket.config import Listener, SessionSettings
from postwicket.core.address import Address
from postwicket.core.entry import CameBack
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.core.state import State
from postwicket.delivery.bounce import Bounces
from postwicket.policy.amount import Allowance
from postwicket.returns.keeping import Keeping
from postwicket.returns.places import Places
from postwicket.returns.reception import Reception, inbound_terms
from postwicket.returns.session import InboundSession
from postwicket.storage.values import Message, NewMessage, SmallBody
from postwicket.submission.connection import Connection
from postwicket.submission.listening import Listening
from postwicket.trust.return_path import ReturnPaths
from tests.returns.letters import HOSTNAME
from tests.storage.making import born, settled
from tests.submission.shop import Client, Shop, open_shop

LISTENER = Listener(address="127.0.0.1:0", kind="inbound")
ALLOWANCE = Allowance(
    messages_per_day=100, recipients_per_day=100, recipients_per_message=3, message_size=100
)


class Port25:
    """The listener, and what is kept behind it."""

    def __init__(self, shop: Shop, postmaster: str | None) -> None:
        self.shop = shop
        self.paths = ReturnPaths(b"k" * 32, "returns.example.org")
        self.ids = QueueIds(5)
        self.port = 0
        bounces = Bounces(
            hostname=HOSTNAME,
            expire=1000.0,
            ids=self.ids,
            clock=time.time,
            boundary=lambda: secrets.token_hex(8),
        )
        self.reception = Reception(
            hostname=HOSTNAME,
            places=Places(
                hostname=HOSTNAME,
                paths=self.paths,
                domains=lambda: {"example.org"},
                find=shop.queue.message,
            ),
            keeping=Keeping(
                shop.queue,
                bounces,
                self.ids,
                suppress_for=3600.0,
                postmaster=Address.parse(postmaster) if postmaster else None,
                expire=1000.0,
                clock=time.time,
            ),
        )
        terms = inbound_terms(LISTENER, hostname=HOSTNAME)
        self.listening = Listening(settings=LISTENER, terms=terms, certificates=shop.certificates)

    async def under_way(self, message: Message) -> NewMessage:
        """Store a message that is being sent."""
        new = NewMessage(
            message=message,
            header=b"Subject: tea\r\nMessage-ID: <one@app.example.org>\r\n",
            body=SmallBody(b"\r\nAt four?\r\n"),
            entry=CameBack(at=time.time(), message=message.id, what="test"),
            claimed_by=1,
            lease_until=time.time() + 60,
        )
        await self.shop.queue.accept(new)
        return new

    async def sent(self, message: Message) -> None:
        """Store a message as delivered to everybody."""
        new = await self.under_way(message)
        numbers = range(1, len(message.envelope.recipients) + 1)
        done = [settled(born(new, number), State.DELIVERED) for number in numbers]
        assert await self.shop.queue.settle(done) == len(done)

    def states(self, id: QueueId) -> list[str]:
        """Return how the deliveries of a message stand."""
        return [kept.delivery.state.value for kept in self.shop.memory.of(id)]

    def what(self) -> list[str]:
        """Return what the journal says came back, without what tests stored."""
        entries = self.shop.entries(CameBack)
        return [e.what for e in entries if isinstance(e, CameBack) and e.what != "test"]

    def kept(self) -> list[Message]:
        """Return messages that this server has made or kept, oldest first."""
        ours = {"", "inbound"}
        return [m for m in self.shop.memory.messages.values() if m.account in ours]

    async def client(self) -> Client:
        """Connect and say hello."""
        client = await Client.connect(self.port)
        assert (await client.hear()).startswith("220 ")
        assert (await client.say("EHLO mx.example.net")).startswith("250-")
        return client

    async def bring(self, to: str, content: str | bytes, *, sender: str = "") -> str:
        """Bring a message to an address and return the last reply."""
        client = await self.client()
        raw = content.replace("\n", "\r\n").encode() if isinstance(content, str) else content
        replies = await client.script(f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>")
        if not replies[-1].startswith("250"):
            return replies[-1]
        reply = await client.say("DATA")
        return await client.say(raw + b"\r\n.") if reply.startswith("354") else reply


@asynccontextmanager
async def open_port25(
    folder: Path, *, postmaster: str | None = None, settings: SessionSettings | None = None
) -> AsyncIterator[Port25]:
    """Serve an inbound listener on a free port."""
    async with open_shop(folder, settings=settings, allowance=ALLOWANCE) as shop:
        here = Port25(shop, postmaster)
        begin = partial(InboundSession, here.listening, shop.counter, here.reception)
        server = await asyncio.get_running_loop().create_server(
            partial(Connection, here.listening, shop.counter, begin), "127.0.0.1", 0
        )
        here.port = server.sockets[0].getsockname()[1]
        try:
            yield here
            assert shop.bugs == []
        finally:
            server.close()
