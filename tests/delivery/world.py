"""A dispatcher with the storage in memory, for tests; everything else is real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from postwicket.config.settings import Settings
from postwicket.core.address import Address
from postwicket.core.entry import Accepted, Settled
from postwicket.core.envelope import NO_DEMANDS, Demands, Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.core.state import State
from postwicket.delivery.direct import Guide
from postwicket.delivery.dispatcher import Dispatcher
from postwicket.delivery.guiding import guide_for
from postwicket.storage.bodies import BodyStore, SmallContent
from postwicket.storage.interfaces import Content
from postwicket.storage.memory import Memory, MemoryQueue
from postwicket.storage.values import Claimed, Delivery, Message, NewMessage, SmallBody, StoredBody

HEADER = b"From: ann@example.org\r\nSubject: x\r\n"
BODY = b"\r\nHello\r\n.dot\r\n"
SLOT = 3


class World:
    """Settings, queue, dispatcher, and short ways to ask."""

    def __init__(self, settings: Settings, folder: Path, guide: Guide | None = None) -> None:
        self.settings = settings
        self.memory = Memory(BodyStore(folder))
        self.queue = MemoryQueue(self.memory, asyncio.get_running_loop())
        self.ids = QueueIds(SLOT)
        self.dispatcher = Dispatcher(
            settings,
            self.queue,
            self.ids,
            guide or guide_for(settings, time.time),
            slot=SLOT,
            clock=time.time,
            chance=lambda: 0.5,
        )

    def message(
        self,
        *to: str | Recipient,
        sender: Sender | None = None,
        size: int,
        received: float,
        account: str = "ann@example.org",
        lane: str = "transactional",
        demands: Demands = NO_DEMANDS,
    ) -> Message:
        """Return a message to these recipients."""
        recipients = tuple(
            r if isinstance(r, Recipient) else Recipient(Address.parse(r)) for r in to
        )
        return Message(
            id=self.ids.next(received),
            account=account,
            lane=lane,
            envelope=Envelope(
                sender or Sender(address=Address.parse("ann@example.org")), recipients
            ),
            size=size,
            received=received,
            expires=received + self.settings.queue.expire,
            demands=demands,
        )

    def post(
        self,
        *to: str | Recipient,
        body: bytes = BODY,
        stored: StoredBody | None = None,
        header: bytes = HEADER,
        sender: Sender | None = None,
        fresh: bool = True,
        age: float = 0.0,
        account: str = "ann@example.org",
        lane: str = "transactional",
        demands: Demands = NO_DEMANDS,
    ) -> QueueId:
        """Accept a message, and offer it if it is fresh."""
        now = time.time() - age
        kept: SmallBody | StoredBody = stored or SmallBody(body)
        message = self.message(
            *to,
            sender=sender,
            size=len(header) + kept.size,
            received=now,
            account=account,
            lane=lane,
            demands=demands,
        )
        new = NewMessage(
            message=message,
            header=header,
            body=kept,
            entry=Accepted(
                at=now, message=message.id, account="a", sender="s", recipients=len(to), size=1
            ),
            claimed_by=SLOT if fresh else None,
            lease_until=now + 1800 if fresh else 0.0,
        )
        assert self.queue.accept(new).result() is None
        if fresh:
            deliveries = tuple(
                Delivery(message=message.id, number=n, recipient=r, due=now)
                for n, r in enumerate(message.envelope.recipients, 1)
            )
            content: Content | None = None if stored else SmallContent(header, body)
            self.dispatcher.offer(Claimed(message, deliveries), content)
        return message.id

    def states(self, message: QueueId) -> list[str]:
        """Return the states of a message's deliveries."""
        return [kept.delivery.state.value for kept in self.memory.of(message)]

    def settled(self, message: QueueId) -> list[Settled]:
        """Return what the journal says came of them, in order."""
        return [e for e in self.entries(Settled) if e.message == message]

    def entries(self, kind: type[Any]) -> list[Any]:
        """Return the journal's entries of a kind."""
        return [e for e in self.memory.journal if isinstance(e, kind)]

    def notices(self) -> list[Message]:
        """Return the notices that were queued."""
        return [m for m in self.memory.messages.values() if m.account == ""]

    def bytes_of(self, message: QueueId) -> bytes:
        """Return a stored message."""
        return b"".join(self.queue.content(message).pieces())

    async def until(self, true: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.002)

    async def final(self, message: QueueId, seconds: float = 5.0) -> list[str]:
        """Wait until a message's deliveries are final, and return their states."""
        await self.until(lambda: all(State(s).final for s in self.states(message)), seconds)
        return self.states(message)

    async def tried(self, message: QueueId, times: int = 1) -> list[Settled]:
        """Wait until the journal has so many settlements of a message."""
        await self.until(lambda: len(self.settled(message)) >= times)
        return self.settled(message)


def settings_for(
    port: int = 1,
    *,
    upstream: Mapping[str, object] | None = None,
    **more: object,
) -> Settings:
    """Return settings with one upstream `peer` on this port, to which everything goes."""
    peer = {"name": "peer", "host": "127.0.0.1", "port": port, "tls": "none", **(upstream or {})}
    given: dict[str, object] = {
        "hostname": "us.example",
        "upstream": (peer,),
        "route": ({"via": "upstream:peer", "uncertain_pause": 0.2},),
        "queue": {"retry": (0.2,)},
        **more,
    }
    return Settings.model_validate(given)


@asynccontextmanager
async def world(settings: Settings, guide: Guide | None = None) -> AsyncIterator[World]:
    """Run a dispatcher inside the block; nothing of it may be left afterwards."""
    with TemporaryDirectory() as folder:
        here = World(settings, Path(folder), guide)
        here.dispatcher.start()
        try:
            yield here
        finally:
            await here.dispatcher.drain(time.time())
            assert here.dispatcher.held == 0


def run(test: Coroutine[object, object, None], *, fast: bool = False) -> None:
    """Run one test on a fresh loop, with a limit; `fast` is on uvloop, as in production."""

    async def limited() -> None:
        loop = asyncio.get_running_loop()
        wrong: list[Mapping[str, object]] = []
        loop.set_exception_handler(lambda _, context: wrong.append(context))
        async with asyncio.timeout(20):
            await test
        assert wrong == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if fast else None) as runner:
        runner.run(limited())
