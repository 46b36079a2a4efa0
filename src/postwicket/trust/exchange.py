"""One question to one name server: over UDP, and over TCP when the answer is cut short.

Each question has a socket of its own, so that the system draws a random port for it beside the
random id (RFC 5452, section 9.2), and one that is connected: what comes from elsewhere never
arrives.  What does not answer the question is thrown away, and the waiting goes on.  Of an answer
with records that cannot be read, the others are read: a domain with one broken record has mail
all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import cast

import dns.exception
import dns.flags
import dns.message

from .servers import Server


async def exchange(
    query: dns.message.Message,
    server: Server,
    wait: float,
) -> dns.message.Message:
    """Return the answer; raise `TimeoutError`, `OSError` or what reading an answer raises.

    The answer must come within `wait` seconds.  A second wait of the same length is given to TCP.
    """
    octets = query.to_wire()
    async with asyncio.timeout(wait):
        response = await _by_udp(query, octets, server)
    if not response.flags & dns.flags.TC:
        return response
    async with asyncio.timeout(wait):
        return await _by_tcp(query, octets, server)


class _Question(asyncio.DatagramProtocol):
    """Sends the question, waits for what answers it."""

    def __init__(self, query: dns.message.Message, octets: bytes) -> None:
        self.answer: asyncio.Future[dns.message.Message] = (
            asyncio.get_running_loop().create_future()
        )
        self._query = query
        self._octets = octets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._octets)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if self.answer.done():
            return
        # Somebody may be guessing: what is malformed or answers something else is not the end.
        with contextlib.suppress(dns.exception.DNSException, ValueError, struct.error):
            response = read(data)
            if self._query.is_response(response):
                self.answer.set_result(response)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or ConnectionError("the socket was closed"))


async def _by_udp(
    query: dns.message.Message, octets: bytes, server: Server
) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Question(query, octets), remote_addr=(server.address, server.port)
    )
    try:
        return await protocol.answer
    finally:
        protocol.answer.cancel()
        transport.close()


async def _by_tcp(
    query: dns.message.Message, octets: bytes, server: Server
) -> dns.message.Message:
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(octets)) + octets)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        response = read(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        raise ConnectionError("the name server hung up in the middle of its answer") from None
    finally:
        writer.close()
    if not query.is_response(response):
        raise ValueError("the answer belongs to another question")
    return response


def read(octets: bytes) -> dns.message.Message:
    """Return a message, without the records that cannot be read (they are in its `errors`)."""
    return dns.message.from_wire(octets, continue_on_error=True, ignore_trailing=True)
