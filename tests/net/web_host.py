"""An HTTPS host for tests: says what it is told to, byte for byte, and remembers what it heard."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


def answer(
    content: bytes = b"", *, status: str = "200 OK", kind: str = "text/plain", more: str = ""
) -> bytes:
    """Return an HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n{more}"
    return head.encode() + b"\r\n" + content


@dataclass
class WebHost:
    """The host; `says` is sent at once, or in pieces with `pause` seconds between them."""

    says: bytes = b""
    pause: float = 0.0
    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def listening(self, context: ssl.SSLContext) -> AsyncIterator[WebHost]:
        """Answer inside the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await asyncio.sleep(0)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is."""
        return ("127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            for line in request.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    request += await reader.readexactly(int(line.partition(b":")[2]))
            self.heard.append(request)
            size = 1000 if self.pause else max(1, len(self.says))
            for start in range(0, len(self.says), size):
                writer.write(self.says[start : start + size])
                await writer.drain()
                await asyncio.sleep(self.pause)
        writer.close()
