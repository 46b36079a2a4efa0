"""The site on real sockets."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

from postwicket.web.serve import serve_site

from .fakes import FakeInbox, newsletter, settings


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_it_serves_until_it_is_told_to_stop_and_leaves_signals_alone(tmp_path: Path) -> None:
    inbox = FakeInbox()
    inbox.put(newsletter())

    async def play() -> tuple[bytes, bytes]:
        handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        stop = asyncio.Event()
        running = asyncio.create_task(serve_site(settings(tmp_path), inbox, {2: listening}, stop))
        ending = b"\r\nConnection: close\r\n\r\n"
        good = await ask(port, b"GET /livez HTTP/1.1\r\nHost: localhost" + ending)
        bad = await ask(port, b"GET / HTTP/1.1\r\nHost: evil.example" + ending)
        assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
        stop.set()
        await asyncio.wait_for(running, 10)
        return good, bad

    good, bad = asyncio.run(play())
    assert good.startswith(b"HTTP/1.1 200 OK")
    assert good.endswith(b"ok\n")
    assert b"server: uvicorn" not in good.lower()
    assert bad.startswith(b"HTTP/1.1 421")
