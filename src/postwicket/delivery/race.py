"""The addresses of a host race (RFC 8305, section 5): the first that answers is kept.

Each address gets a quarter of a second before the next one is tried beside it, and a failure
starts the next at once.  All but the winner are closed without a word: until it is known who has
won, the protocol that will speak does not exist, and what the host says at once is kept for it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from postwicket.smtp.client.answer import Answer, Stage, Trouble

from .dialling import Target, Unreached

STAGGER: Final = 0.25  # seconds before the next address is tried beside; RFC 8305, section 5

P = TypeVar("P", bound=asyncio.Protocol)


def _anywhere(_address: str, _port: int) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """How to connect.

    `timeout` is in seconds, for each address.  `sources` are local addresses to connect from, at
    most one of each family; with any, only addresses of their families are tried: what is set up
    for the one address (SPF, PTR, reputation) does not hold for another.  `may` says of an address
    and port why there may be no connection, or "".  `note` hears of addresses that failed where
    another one did not.
    """

    timeout: float
    sources: tuple[str, ...] = ()
    may: Callable[[str, int], str] = _anywhere
    note: Callable[[str], None] = lambda _text: None
    stagger: float = STAGGER

    def source_for(self, target: Target) -> str | None:
        """Return the local address to connect from, "" for any; None means: not at all."""
        if not self.sources:
            return ""
        return next((own for own in self.sources if _family(own) == _family(target.address)), None)


async def dial(found: Sequence[Target], protocol: Callable[[Target], P], how: Dial) -> P:
    """Connect to the first of the targets that answers; raise `Unreached`, which tells of each."""
    failures: list[Answer] = []
    runners: deque[tuple[Target, str]] = deque()
    for target in found:
        source = how.source_for(target)
        # Once more, although it was checked when it was found: nothing may come in between.
        no = how.may(target.address, target.port)
        if source is None:
            no = "no source_address of this family"
        if no or source is None:
            failures.append(_no(target, Trouble.UNREACHABLE, no))
        else:
            runners.append((target, source))
    if len(runners) != 1:
        return await _race(runners, protocol, how, failures)
    target, source = runners[0]
    try:
        made = await _connect(target, source, how.timeout, lambda: protocol(target))
    except OSError as error:
        failures.append(_failure(target, error, how.timeout))
        raise Unreached(_sum_of(failures)) from None
    _tell(failures, how)
    return made


async def _race(
    waiting: deque[tuple[Target, str]],
    protocol: Callable[[Target], P],
    how: Dial,
    failures: list[Answer],
) -> P:
    """Hand the first connection over and close all others; raise `Unreached`."""
    running: dict[asyncio.Task[_Standby], Target] = {}
    try:
        while waiting or running:
            if waiting:
                target, source = waiting.popleft()
                attempt = _connect(target, source, how.timeout, _Standby)
                running[asyncio.create_task(attempt)] = target
            done, _ = await asyncio.wait(
                running,
                timeout=how.stagger if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [task for task in running if task in done]:
                target = running.pop(task)
                try:
                    standby = task.result()
                    standby.check()
                except OSError as error:
                    failures.append(_failure(target, error, how.timeout))
                else:
                    _tell(failures, how)
                    return standby.hand_over(protocol(target))
    finally:
        for task in running:
            task.add_done_callback(_hang_up)
            task.cancel()
    raise Unreached(_sum_of(failures))


class _Standby(asyncio.Protocol):
    """Holds a connection, and what the host says at once, until it is known who has won."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._ended = False
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio.Transport in all but name.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        # Pausing earlier would not help: uvloop begins to read after `connection_made`.
        self._heard += data
        if self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        return True  # do not close: "554 go away" and a FIN are an answer

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost = True

    def check(self) -> asyncio.Transport:
        """Return the transport; raise OSError if the connection is gone already."""
        if self._transport is None or self._lost:
            raise ConnectionResetError("the connection was lost as soon as it was made")
        return self._transport

    def hand_over(self, protocol: P) -> P:
        """Let `protocol` have the connection, and hear what was said so far."""
        transport = self.check()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._heard and not transport.is_closing():
            protocol.data_received(self._heard)
        if self._ended and not (transport.is_closing() or protocol.eof_received()):
            transport.close()
        if self._heard and not transport.is_closing():
            transport.resume_reading()
        return protocol

    def hang_up(self) -> None:
        """Close the connection of a loser."""
        if self._transport is not None:
            self._transport.abort()


def _hang_up(task: asyncio.Task[_Standby]) -> None:
    """Close what came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().hang_up()


async def _connect(
    target: Target,
    source: str,
    timeout: float,  # noqa: ASYNC109 - of one of several addresses
    protocol: Callable[[], P],
) -> P:
    """Connect to one address; raise OSError, of which TimeoutError is one."""
    async with asyncio.timeout(timeout):
        _, made = await asyncio.get_running_loop().create_connection(
            protocol,
            target.address,
            target.port,
            local_addr=(source, 0) if source else None,
        )
    return made


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _failure(target: Target, error: OSError, timeout: float) -> Answer:
    if not isinstance(error, TimeoutError):
        return _no(target, Trouble.UNREACHABLE, str(error.strerror or error))
    # Ours has no number; the system's own (ETIMEDOUT) says so itself.
    why = error.strerror if error.errno else f"waited {timeout:.0f} s"
    return _no(target, Trouble.TIMEOUT, str(why))


def _tell(failures: Sequence[Answer], how: Dial) -> None:
    for failure in failures:
        how.note(failure.detail)


def _no(target: Target, trouble: Trouble, why: str) -> Answer:
    return Answer(Stage.CONNECT, None, trouble, f"{target.shown}: {why}"[:300])


def _sum_of(failures: Sequence[Answer]) -> Answer:
    """Return one answer that tells of every address; a time-out says more than "no route"."""
    if not failures:
        return Answer(Stage.CONNECT, None, Trouble.NAME, "no address")
    slow = any(no.trouble is Trouble.TIMEOUT for no in failures)
    trouble = Trouble.TIMEOUT if slow else Trouble.UNREACHABLE
    return Answer(Stage.CONNECT, None, trouble, "; ".join(no.detail for no in failures)[:600])
