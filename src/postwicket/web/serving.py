"""The web worker: the site on its sockets.

Every listener has a door of its own.  Signals are the worker's business, not uvicorn's: when
the worker is told to stop, or the supervisor is gone, it lets answers that are under way
finish and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from postwicket.config import Settings
from postwicket.core.queue_id import QueueIds
from postwicket.journal.log import Log, open_log
from postwicket.returns.opening import open_unsubscribing
from postwicket.storage.interfaces import Inbox
from postwicket.storage.opening import open_queue, open_store

from .door import Door
from .site import create_site
from .unsubscribe import Unsubscribing

OWN_SLOT: Final = 1023  # the last of the slots by which ids are told apart; workers count up
READY: Final = b"R"
AT_ONCE: Final = 200  # connections, then 503
LAST_ANSWERS: Final = 10  # seconds for what is under way at the end
LONGEST_HEAD: Final = 16_384  # octets of a request's line and header


def serve_web(settings: Settings, *, sockets: Mapping[int, socket.socket], control: int) -> int:
    """Serve until told to stop; return the exit status.

    `sockets` are by the listener's index in the settings.  One byte is written to `control`
    when all of them answer; its end of file means that the supervisor is gone.
    """
    log = open_log(settings.log.format, settings.log.level)
    log.adopt_standard_logging()
    with contextlib.closing(open_store(settings.data)) as store:
        asyncio.run(_serve(settings, store, sockets, control, log))
    return 0


@contextlib.asynccontextmanager
async def _open_unsubscribing(settings: Settings, log: Log) -> AsyncIterator[Unsubscribing | None]:
    """Open what unsubscribe links need: the queue, whose ids nobody else makes."""
    if settings.returns.unsubscribe_url is None:
        yield None
        return
    queue = open_queue(settings.data, asyncio.get_running_loop(), committed=log.entries)
    try:
        yield open_unsubscribing(settings, queue, QueueIds(OWN_SLOT), time.time)
    finally:
        await queue.close()


async def _serve(
    settings: Settings,
    store: Inbox,
    sockets: Mapping[int, socket.socket],
    control: int,
    log: Log,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def hear() -> None:
        if not os.read(control, 64):
            loop.remove_reader(control)
            stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's; the supervisor decides
    loop.add_reader(control, hear)
    async with _open_unsubscribing(settings, log) as unsubscribing:
        await serve_site(
            settings,
            store,
            sockets,
            stop,
            ready=lambda: os.write(control, READY),
            unsubscribing=unsubscribing,
        )


async def serve_site(
    settings: Settings,
    store: Inbox,
    sockets: Mapping[int, socket.socket],
    stop: asyncio.Event,
    *,
    ready: Callable[[], object] = lambda: None,
    unsubscribing: Unsubscribing | None = None,
) -> None:
    """Serve until `stop` is set; `ready` is called once, when all sockets are served."""
    site = create_site(settings, store, unsubscribing=unsubscribing)
    waiting = set(sockets)

    def started(index: int) -> None:
        waiting.discard(index)
        if not waiting:
            ready()

    servers = {
        index: _Server(_config(Door(site, settings.listener[index])), index, started)
        for index in sockets
    }
    running = [
        asyncio.ensure_future(server.serve(sockets=[sockets[index]]))
        for index, server in servers.items()
    ]
    told = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([told, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        for server in servers.values():
            server.should_exit = True
        await asyncio.gather(*running)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=AT_ONCE,
        h11_max_incomplete_event_size=LONGEST_HEAD,
        timeout_graceful_shutdown=LAST_ANSWERS,
    )


class _Server(uvicorn.Server):
    """A uvicorn server that says when it serves, and leaves the signals alone."""

    def __init__(self, config: uvicorn.Config, index: int, started: Callable[[int], None]) -> None:
        super().__init__(config)
        self._index = index
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        self._tell(self._index)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield
