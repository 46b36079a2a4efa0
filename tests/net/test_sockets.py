"""What has arrived is seen, although nobody has read it."""

from __future__ import annotations

import asyncio
import socket

from postwicket.net.sockets import has_input


def test_bytes_that_nobody_has_read_are_seen() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            transport.pause_reading()
            assert not has_input(transport)
            theirs.send(b"here")
            assert has_input(transport)
            transport.abort()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not has_input(transport)

    asyncio.run(story())
