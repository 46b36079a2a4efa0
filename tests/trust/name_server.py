"""A name server for tests: answers over UDP and TCP on 127.0.0.1 with what a function says.

    async with name_server(zone("example.com. 300 IN MX 10 mx.example.com.")) as server:
        resolver = DnsResolver(Servers([server.place], clock), clock)

The function gets each query and returns messages to send, or octets that are none.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from postwicket.trust.servers import Server

Said = dns.message.Message | bytes
Answers = Callable[[dns.message.QueryMessage, bool], Sequence[Said]]


class NameServer:
    """Where it listens, and what it was asked: name, kind and transport of each query."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.place = Server("127.0.0.1", 0)
        self.asked: list[tuple[str, str, str]] = []
        self.queries: list[dns.message.Message] = []
        self.tcp: asyncio.Server

    def reply(self, octets: bytes, *, tcp: bool) -> list[bytes]:
        """Return the packets for one query."""
        query = dns.message.from_wire(octets)
        assert isinstance(query, dns.message.QueryMessage)
        asked = query.question[0]
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.queries.append(query)
        name = asked.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, kind, "TCP" if tcp else "UDP"))
        return [
            said if isinstance(said, bytes) else _packed(said, query, tcp=tcp)
            for said in self.answers(query, tcp)
        ]


def _packed(said: dns.message.Message, query: dns.message.Message, *, tcp: bool) -> bytes:
    room = 65_535 if tcp else max(512, query.payload)
    return said.to_wire(max_size=65_535) if tcp else _cut(said, room)


def _cut(said: dns.message.Message, room: int) -> bytes:
    wire = said.to_wire(max_size=65_535)
    if len(wire) <= room:
        return wire
    short = dns.message.make_response(dns.message.make_query(*_question(said)))
    short.id = said.id
    short.flags = said.flags | dns.flags.TC
    return short.to_wire()


def _question(said: dns.message.Message) -> tuple[dns.name.Name, dns.rdatatype.RdataType]:
    return said.question[0].name, said.question[0].rdtype


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        assert self._transport is not None
        for packet in self._server.reply(data, tcp=False):
            self._transport.sendto(packet, addr)  # type: ignore[arg-type]


async def _listen(
    udp: Callable[[], asyncio.DatagramProtocol], tcp: Callable[..., Awaitable[None]]
) -> tuple[asyncio.DatagramTransport, asyncio.Server]:
    """Take a port that is free for both; that of the one may be in use for the other."""
    loop = asyncio.get_running_loop()
    for again in range(50):
        transport, _ = await loop.create_datagram_endpoint(udp, local_addr=("127.0.0.1", 0))
        try:
            port = transport.get_extra_info("sockname")[1]
            return transport, await asyncio.start_server(tcp, "127.0.0.1", port)
        except OSError:
            transport.close()
            if again == 49:
                raise
    raise AssertionError


@contextlib.asynccontextmanager
async def name_server(answers: Answers) -> AsyncIterator[NameServer]:
    """Serve on a free port, the same for UDP and TCP."""
    server = NameServer(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            for packet in server.reply(await reader.readexactly(length), tcp=True):
                writer.write(struct.pack("!H", len(packet)) + packet)
            await writer.drain()
        writer.close()

    udp, tcp = await _listen(lambda: _Udp(server), serve)
    port = udp.get_extra_info("sockname")[1]
    server.tcp = tcp
    server.place = Server("127.0.0.1", port)
    try:
        yield server
    finally:
        udp.close()
        tcp.close()


def response(
    query: dns.message.QueryMessage,
    *records: str,
    authority: Sequence[str] = (),
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR,
    validated: bool = False,
) -> dns.message.Message:
    """Return an answer to a query with records in the words of a zone file."""
    said = dns.message.make_response(query, recursion_available=True)
    said.set_rcode(rcode)
    if validated:
        said.flags |= dns.flags.AD
    for section, texts in ((said.answer, records), (said.authority, authority)):
        for text in texts:
            name, ttl, klass, kind, data = text.split(" ", 4)
            rrset = dns.rrset.from_text(name, int(ttl), klass, kind, data)
            same = [r for r in section if (r.name, r.rdtype) == (rrset.name, rrset.rdtype)]
            if same:
                same[0].add(rrset[0])
            else:
                section.append(rrset)
    return said


SOA = "{zone} {ttl} IN SOA ns.{zone} hostmaster.{zone} 1 3600 600 86400 {minimum}"


def zone(*records: str, validated: bool = False, negative: int = 300) -> Answers:
    """Return answers from a zone: aliases followed, NXDOMAIN and NODATA with an SOA."""

    def answers(query: dns.message.QueryMessage, tcp: bool) -> list[Said]:  # noqa: ARG001
        name = query.question[0].name.to_text().lower()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        found: list[str] = []
        for _ in range(20):
            alias = [r for r in records if r.lower().startswith(f"{name} ") and " CNAME " in r]
            if not alias:
                break
            found += alias
            name = alias[0].split()[-1].lower()
        here = [r for r in records if r.lower().startswith(f"{name} ")]
        found += [r for r in here if r.split()[3] == kind]
        soa = [SOA.format(zone="example.", ttl=3600, minimum=negative)]
        rcode = dns.rcode.NOERROR if here else dns.rcode.NXDOMAIN
        authority = [] if [r for r in here if r.split()[3] == kind] else soa
        return [response(query, *found, authority=authority, rcode=rcode, validated=validated)]

    return answers
