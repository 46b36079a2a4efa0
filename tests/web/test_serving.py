"""The site on real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from postwicket.web.serving import READY, serve_site, serve_web

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


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGUSR1", "the supervisor's death"])
def test_the_worker_says_that_it_is_ready_and_ends_as_it_is_told(
    tmp_path: Path, ending: str
) -> None:
    ours, theirs = socket.socketpair()
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        ours.close()
        status = 99
        try:
            status = serve_web(settings(tmp_path), sockets={2: listening}, control=theirs.fileno())
        finally:
            os._exit(status)
    theirs.close()
    ours.settimeout(20)
    try:
        assert ours.recv(10) == READY
        request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = asyncio.run(ask(listening.getsockname()[1], request))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        if ending.startswith("SIG"):
            os.kill(pid, signal.Signals[ending])
            assert ours.recv(10) == b""
    finally:
        ours.close()
        listening.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
