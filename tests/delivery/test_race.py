"""The race between a host's addresses on real sockets, and what is told when nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import uvloop

from postwicket.delivery.dialling import Target, Unreached
from postwicket.delivery.race import Dial, _Standby, dial
from postwicket.smtp.client.answer import Answer, Trouble

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Test = Callable[[], Awaitable[None]]
Run = Callable[[Test], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test on each kind of loop; no socket may be left open."""

    def runner(test: Test) -> None:
        async def checked() -> None:
            async with listening("127.0.0.1"):
                await asyncio.sleep(0)  # the loop opens files of its own with its first server
            before = open_files()
            await test()
            for _ in range(20):  # what was closed leaves at the loop's next turn
                await asyncio.sleep(0.005)
                if open_files() <= before:
                    return
            raise AssertionError("a socket was left open")

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as loop:
            loop.run(checked())

    return runner


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Caller(asyncio.Protocol):
    """Our end of a connection."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    @property
    def local(self) -> str:
        """The local address."""
        assert self.transport is not None
        return str(self.transport.get_extra_info("sockname")[0])

    def hang_up(self) -> None:
        """End the connection."""
        assert self.transport is not None
        self.transport.abort()


class Host:
    """A listener, and the ends of connections to it that were lost."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.made = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Wait until the other end hangs up."""
        self.made += 1
        self.open.add(writer)
        with contextlib.suppress(OSError):
            await reader.read()
        self.open.discard(writer)
        writer.close()


@contextlib.asynccontextmanager
async def listening(address: str) -> AsyncIterator[Host]:
    host = Host(Target(address, 0, ""))
    server = await asyncio.start_server(host.serve, address, 0)
    port = server.sockets[0].getsockname()[1]
    host.target = Target(address, port, f"mx[{address}]:{port}")
    try:
        yield host
    finally:
        server.close()
        for writer in list(host.open):
            writer.close()


@contextlib.contextmanager
def swallowing(address: str) -> Iterator[Target]:
    """Give an address that answers no SYN: its listener's queue is full, and stays so."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket(family))
        full.bind((address, 0))
        full.listen(0)
        where = full.getsockname()[:2]
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                filler.connect(where)
        yield Target(address, where[1], f"black[{address}]:{where[1]}")


def refusing(address: str) -> Target:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as closed:
        closed.bind((address, 0))
        port = closed.getsockname()[1]
    return Target(address, port, f"shut[{address}]:{port}")


def answer_of(unreached: pytest.ExceptionInfo[Unreached]) -> Answer:
    return unreached.value.answer


def test_the_first_that_answers_wins_and_nobody_else_is_bothered(run: Run) -> None:
    async def test() -> None:
        async with listening("::1") as first, listening("127.0.0.1") as second:
            how = Dial(timeout=5, stagger=1.0)
            made = await dial([first.target, second.target], Caller, how)
            assert made.target == first.target
            await asyncio.sleep(1.1)
            assert (first.made, second.made) == (1, 0)
            made.hang_up()

    run(test)


def test_an_address_that_swallows_everything_costs_a_quarter_of_a_second(run: Run) -> None:
    async def test() -> None:
        async with listening("127.0.0.1") as good:
            with swallowing("::1") as dead, swallowing("127.0.0.2") as dead_too:
                began = time.monotonic()
                made = await dial([dead, good.target], Caller, Dial(timeout=30))
                assert 0.2 < time.monotonic() - began < 2.0
                assert made.target == good.target
                made.hang_up()
                began = time.monotonic()
                made = await dial([dead, dead_too, good.target], Caller, Dial(timeout=30))
                assert 0.45 < time.monotonic() - began < 2.0
                made.hang_up()

    run(test)


def test_a_refusal_costs_nothing(run: Run) -> None:
    async def test() -> None:
        async with listening("127.0.0.1") as good:
            shut = [refusing("127.0.0.2"), refusing("127.0.0.3"), refusing("::1")]
            began = time.monotonic()
            told: list[str] = []
            how = Dial(timeout=30, stagger=10.0, note=told.append)
            made = await dial([*shut, good.target], Caller, how)
            assert [text.partition(": ")[0] for text in told] == [each.shown for each in shut]
            assert time.monotonic() - began < 2.0
            assert made.target == good.target
            made.hang_up()

    run(test)


def test_who_loses_is_closed_and_was_never_spoken_to(run: Run) -> None:
    async def test() -> None:
        spoken: list[Target] = []

        def caller(target: Target) -> Caller:
            spoken.append(target)
            return Caller(target)

        async with listening("127.0.0.1") as one, listening("127.0.0.2") as two:
            how = Dial(timeout=5, stagger=0.0)  # both are tried in the same instant
            made = [await dial([one.target, two.target], caller, how) for _ in range(20)]
            await asyncio.sleep(0.05)
            assert spoken == [m.target for m in made]
            assert len(one.open) + len(two.open) == 20
            for each in made:
                each.hang_up()

    run(test)


def test_when_nobody_answers_each_is_told_of(run: Run) -> None:
    async def test() -> None:
        shut = refusing("127.0.0.2")
        with swallowing("127.0.0.3") as dead:
            began = time.monotonic()
            with pytest.raises(Unreached) as raised:
                await dial([shut, dead], Caller, Dial(timeout=0.3))
            assert 0.2 < time.monotonic() - began < 2.0
        answer = answer_of(raised)
        assert answer.trouble is Trouble.TIMEOUT
        assert f"{shut.shown}: " in answer.detail
        assert f"{dead.shown}: waited 0 s" in answer.detail
        with pytest.raises(Unreached) as raised:
            await dial([shut], Caller, Dial(timeout=0.3))
        assert answer_of(raised).trouble is Trouble.UNREACHABLE
        with pytest.raises(Unreached) as raised:
            await dial([], Caller, Dial(timeout=0.3))
        assert answer_of(raised).trouble is Trouble.NAME

    run(test)


def test_who_gives_up_leaves_nothing_behind(run: Run) -> None:
    async def test() -> None:
        with swallowing("127.0.0.2") as dead, swallowing("::1") as dead_too:
            task = asyncio.create_task(dial([dead, dead_too], Caller, Dial(timeout=30)))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(test)


def test_connections_come_from_the_source_address_of_their_family(run: Run) -> None:
    async def test() -> None:
        async with listening("127.0.0.1") as four, listening("::1") as six:
            how = Dial(timeout=5, sources=("127.0.0.9", "::1"))
            for host, local in ((four, "127.0.0.9"), (six, "::1")):
                made = await dial([host.target], Caller, how)
                assert made.local == local
                made.hang_up()
            only_four = Dial(timeout=5, sources=("127.0.0.9",))
            made = await dial([six.target, four.target], Caller, only_four)
            assert made.target == four.target
            made.hang_up()
            with pytest.raises(Unreached, match="no source_address of this family"):
                await dial([six.target], Caller, only_four)
            with pytest.raises(Unreached, match="assign requested address"):
                await dial([four.target], Caller, Dial(timeout=5, sources=("192.0.2.1",)))
            await asyncio.sleep(0.05)
            assert (four.made, six.made) == (2, 1)

    run(test)


def test_an_objection_is_heard_at_the_last_moment(run: Run) -> None:
    async def test() -> None:
        async with listening("127.0.0.1") as bad, listening("127.0.0.2") as good:

            def may(address: str, port: int) -> str:
                return "it is ours" if (address, port) == ("127.0.0.1", bad.target.port) else ""

            told: list[str] = []
            how = Dial(timeout=5, may=may, note=told.append)
            made = await dial([bad.target, good.target], Caller, how)
            assert made.target == good.target
            assert told == [f"{bad.target.shown}: it is ours"]
            with pytest.raises(Unreached, match="it is ours"):
                await dial([bad.target], Caller, Dial(timeout=5, may=may))
            await asyncio.sleep(0.05)
            assert (bad.made, good.made) == (0, 1)
            made.hang_up()

    run(test)


def test_what_the_host_says_at_once_is_heard_by_the_winner_only(run: Run) -> None:
    class Listener(Caller):
        heard = b""

        def data_received(self, data: bytes) -> None:
            """Keep it."""
            self.heard += data

        def eof_received(self) -> None:
            """Keep that, too."""
            self.heard += b"(end)"

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 go away\r\n")
        writer.close()

    async def test() -> None:
        async with listening("127.0.0.1") as other:
            server = await asyncio.start_server(greet, "127.0.0.2", 0)
            port = server.sockets[0].getsockname()[1]
            talker = Target("127.0.0.2", port, "talker")
            for targets in ([talker, other.target], [talker]):
                made = await dial(targets, Listener, Dial(timeout=5))
                await asyncio.sleep(0.05)
                assert made.heard == b"554 go away\r\n(end)"
            assert other.made == 0
            server.close()

    run(test)


def test_a_connection_that_is_gone_before_it_is_used_is_a_failure(run: Run) -> None:
    async def test() -> None:
        standby = _Standby()
        async with listening("127.0.0.1") as host:
            loop = asyncio.get_running_loop()
            where = (host.target.address, host.target.port)
            transport, _ = await loop.create_connection(lambda: standby, *where)
            transport.abort()
            await asyncio.sleep(0.01)
            with pytest.raises(ConnectionResetError):
                standby.check()

    run(test)


def test_what_was_said_before_it_was_known_who_won_is_handed_over(run: Run) -> None:
    class Listener(Caller):
        heard = b""

        def data_received(self, data: bytes) -> None:
            """Keep it."""
            self.heard += data

    writers = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"220 ")

    async def test() -> None:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        loop = asyncio.get_running_loop()
        transport, standby = await loop.create_connection(_Standby, host, port)
        await asyncio.sleep(0.05)  # a long time for a race; then it is over
        made = standby.hand_over(Listener(Target(host, port, "")))
        assert made.heard == b"220 "
        assert transport.get_protocol() is made
        writers[0].write(b"hello")
        await asyncio.sleep(0.05)
        assert made.heard == b"220 hello"
        made.hang_up()
        writers[0].close()
        server.close()

    run(test)
