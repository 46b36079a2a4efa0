"""Lies: what does not answer the question that was asked changes nothing."""

from __future__ import annotations

import asyncio
import socket
import time

import dns.flags
import dns.message
import dns.rcode
import pytest

from postwicket.trust.exchange import exchange
from postwicket.trust.servers import Server

from .name_server import Said, name_server, response


def query(name: str = "example.com", kind: str = "A") -> dns.message.QueryMessage:
    made = dns.message.make_query(name, kind)
    assert isinstance(made, dns.message.QueryMessage)
    return made


TRUTH = "example.com. 300 IN A 192.0.2.1"
LIE = "example.com. 300 IN A 192.0.2.66"


def wrong_id(asked: dns.message.QueryMessage) -> bytes:
    said = response(asked, LIE)
    said.id ^= 1
    return said.to_wire()


def other_question(asked: dns.message.QueryMessage) -> bytes:
    said = response(query("other.example"), "other.example. 300 IN A 192.0.2.66")
    said.id = asked.id
    return said.to_wire()


def other_kind(asked: dns.message.QueryMessage) -> bytes:
    said = response(query("example.com", "AAAA"), "example.com. 300 IN AAAA 2001:db8::66")
    said.id = asked.id
    return said.to_wire()


def no_answer(asked: dns.message.QueryMessage) -> bytes:
    return asked.to_wire()  # an echo: the bit that makes it a response is missing


def garbage(asked: dns.message.QueryMessage) -> bytes:
    return asked.to_wire()[:2] + b"\xff" * 40


def cut_off(asked: dns.message.QueryMessage) -> bytes:
    return response(asked, LIE).to_wire()[:7]


LIES = [wrong_id, other_question, other_kind, no_answer, garbage, cut_off]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_before_the_truth_is_not_heard(lie: object) -> None:
    def answers(asked: dns.message.QueryMessage, _: bool) -> list[Said]:
        assert callable(lie)
        return [lie(asked), response(asked, TRUTH)]

    async def run() -> None:
        async with name_server(answers) as server:
            said = await exchange(query(), server.place, 2.0)
            assert [str(rrset) for rrset in said.answer] == [TRUTH]

    asyncio.run(run())


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_only_lies_are_silence(lie: object) -> None:
    def answers(asked: dns.message.QueryMessage, _: bool) -> list[Said]:
        assert callable(lie)
        return [lie(asked)]

    async def run() -> None:
        async with name_server(answers) as server:
            with pytest.raises(TimeoutError):
                await exchange(query(), server.place, 0.1)

    asyncio.run(run())


def test_what_comes_from_elsewhere_does_not_arrive() -> None:
    """A forger who knows port and id still has to send from the server's address."""

    async def run() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger,
        ):
            server.bind(("127.0.0.1", 0))
            server.settimeout(0)
            forger.bind(("127.0.0.2", 0))
            loop = asyncio.get_running_loop()
            place = Server("127.0.0.1", server.getsockname()[1])
            asking = asyncio.create_task(exchange(query(), place, 2.0))
            octets, whence = await loop.sock_recvfrom(server, 4096)
            asked = dns.message.from_wire(octets)
            assert isinstance(asked, dns.message.QueryMessage)
            forger.sendto(response(asked, LIE).to_wire(), whence)
            await asyncio.sleep(0.05)
            assert not asking.done()
            server.sendto(response(asked, TRUTH).to_wire(), whence)
            assert [str(rrset) for rrset in (await asking).answer] == [TRUTH]

    asyncio.run(run())


def test_ports_and_ids_are_drawn_anew_for_each_question() -> None:
    seen = set()

    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(0)
            place = Server("127.0.0.1", server.getsockname()[1])
            for _ in range(20):
                asking = asyncio.create_task(exchange(query(), place, 2.0))
                octets, whence = await asyncio.get_running_loop().sock_recvfrom(server, 4096)
                seen.add((whence[1], octets[:2]))
                asking.cancel()

    asyncio.run(run())
    assert len({port for port, _ in seen}) > 10
    assert len({number for _, number in seen}) > 10


def test_a_closed_port_is_known_at_once() -> None:
    async def run() -> None:
        began = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            await exchange(query(), Server("127.0.0.1", 1), 5.0)
        assert time.monotonic() - began < 1.0

    asyncio.run(run())


@pytest.mark.parametrize("over_tcp", [b"", b"\x00", b"\x00\x04ab"])
def test_half_an_answer_over_tcp_is_a_lost_connection(over_tcp: bytes) -> None:
    async def run() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(over_tcp)
            writer.close()

        def short(asked: dns.message.QueryMessage, _: bool) -> list[Said]:
            said = response(asked)
            said.flags |= dns.flags.TC
            return [said]

        async with name_server(short) as server:
            server.tcp.close()
            await server.tcp.wait_closed()
            place = server.place
            half = await asyncio.start_server(hang_up, place.address, place.port)
            with pytest.raises(OSError):  # noqa: PT011 - reset or end of file, as the system likes
                await exchange(query(), place, 2.0)
            half.close()

    asyncio.run(run())


def test_an_answer_to_another_question_over_tcp_is_refused() -> None:
    def answers(asked: dns.message.QueryMessage, tcp: bool) -> list[Said]:
        if tcp:
            return [other_question(asked)]
        said = response(asked)
        said.flags |= dns.flags.TC
        return [said]

    async def run() -> None:
        async with name_server(answers) as server:
            with pytest.raises(ValueError, match="another question"):
                await exchange(query(), server.place, 2.0)

    asyncio.run(run())


def test_a_refusal_without_a_question_is_an_answer() -> None:
    def answers(asked: dns.message.QueryMessage, _: bool) -> list[Said]:
        said = response(asked, rcode=dns.rcode.REFUSED)
        said.question = []
        return [said]

    async def run() -> None:
        async with name_server(answers) as server:
            assert (await exchange(query(), server.place, 2.0)).rcode() == dns.rcode.REFUSED

    asyncio.run(run())
