"""Put the site on sockets, for the web worker.

    await serve_site(settings, store, sockets, stop)

Every listener has a door of its own.  Signals are the worker's business, not uvicorn's: the
site ends when `stop` is set, and lets answers that are under way finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Final

import uvicorn

from postwicket.config import Settings
from postwicket.storage.interfaces import Inbox

from .door import Door
from .site import create_site

AT_ONCE: Final = 200  # connections, then 503
LAST_ANSWERS: Final = 10  # seconds for what is under way at the end
LONGEST_HEAD: Final = 16_384  # octets of a request's line and header


async def serve_site(
    settings: Settings,
    store: Inbox,
    sockets: Mapping[int, socket.socket],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set.  `sockets` are by the listener's index in the settings."""
    site = create_site(settings, store)
    servers = {
        index: _Server(
            uvicorn.Config(
                Door(site, settings.listener[index]),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=AT_ONCE,
                h11_max_incomplete_event_size=LONGEST_HEAD,
                timeout_graceful_shutdown=LAST_ANSWERS,
                http="h11",
            )
        )
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


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield
