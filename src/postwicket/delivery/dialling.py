"""Reaching a host: its addresses race, and what a failure to connect is.

Addresses race (RFC 8305, section 5): each gets a quarter of a second before the next one is tried
beside it, the first that answers is kept, and the others are closed before they were anything but
sockets.  IPv6 and IPv4 alternate, so that a family that leads nowhere costs that quarter.

An upstream is the operator's own choice: its name is asked for as every program of the machine
does (/etc/hosts, then DNS), after `[[host]]`.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final, TypeVar

from postwicket.config.errors import ConfigError
from postwicket.config.settings import Host
from postwicket.config.transport import Upstream
from postwicket.net.certificates import CertificateUnusable, client_context
from postwicket.net.tls_plan import TlsPlan
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.smtp.client.opening import Credentials, Opening

MOST_ADDRESSES: Final = 6  # tried in one attempt; RFC 5321, section 5.1 wants at least two
STAGGER: Final = 0.25  # seconds before the next address is tried beside; RFC 8305, section 5
# Lets a connection choose its port late, so that one local address carries more of them.
_BIND_NO_PORT: Final = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", None)


@dataclass(frozen=True, slots=True)
class Target:
    """One socket address to try; `shown` is host, address and port for people."""

    address: str
    port: int
    shown: str


class Unreached(Exception):
    """No connection came about; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer))
        self.answer = answer


def opening_for(upstream: Upstream, hostname: str) -> Opening:
    """Return how to open a session; raise `Unreached` when the password cannot be read.

    The password is read each time, so that a changed file works without a restart.  Without
    TLS a sign-in happens on loopback only: the configuration knows no other.
    """
    credentials = None
    if upstream.auth != "none" and upstream.username:
        try:
            secret = upstream.secret()
        except ConfigError as error:
            raise Unreached(Answer(Stage.AUTH, None, Trouble.NO_AUTH, str(error)[:300])) from None
        if secret is not None:
            credentials = Credentials(
                username=upstream.username, password=secret, mechanism=upstream.auth.upper()
            )
    return Opening(
        hostname=hostname,
        implicit_tls=upstream.tls == "implicit",
        starttls=upstream.tls == "starttls",
        credentials=credentials,
        clear_auth=upstream.tls == "none",
    )


def tls_plan_for(upstream: Upstream) -> TlsPlan | None:
    """Return how to do TLS, or None for none; raise `Unreached` when `ca` cannot be used."""
    if upstream.tls == "none":
        return None
    try:
        context = client_context(upstream.ca, verify=upstream.verify)
    except CertificateUnusable as error:
        detail = str(error)[:300]
        raise Unreached(Answer(Stage.TLS, None, Trouble.CERTIFICATE, detail)) from None
    return TlsPlan(context, upstream.host.strip("[]"), upstream.verify)


async def targets(host: str, port: int, static: Sequence[Host]) -> list[Target]:
    """Return the addresses of a host, best first; raise `Unreached`."""
    for entry in static:
        if entry.name.lower() == host.lower():
            address, own_port = entry.target
            return [_target(host, address, own_port or port)]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        detail = f"{host}: {getattr(error, 'strerror', None) or error}"
        raise Unreached(Answer(Stage.CONNECT, None, Trouble.NAME, detail)) from None
    addresses = [(family, str(sockaddr[0])) for family, _, _, _, sockaddr in found]
    return [_target(host, address, port) for address in _by_turns(addresses)][:MOST_ADDRESSES]


def _by_turns(found: Sequence[tuple[int, str]]) -> list[str]:
    """Alternate between the families, beginning with the one that the resolver prefers.

    >>> _by_turns([(2, "a"), (2, "b"), (10, "c")])
    ['a', 'c', 'b']
    """
    first = [address for family, address in found if family == found[0][0]]
    second = [address for family, address in found if family != found[0][0]]
    mixed = chain.from_iterable(zip_longest(first, second))
    return list(dict.fromkeys(address for address in mixed if address is not None))


def _target(host: str, address: str, port: int) -> Target:
    where = f"[{address}]:{port}"
    return Target(address, port, where if host.strip("[]") == address else f"{host}{where}")


P = TypeVar("P", bound=asyncio.Protocol)


def _anywhere(_address: str, _port: int) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """How to connect.

    `timeout` is in seconds, for each address.  `sources` are local addresses to connect from, at
    most one of each family; with any, only addresses of their families are tried: what is set up
    for the one address (SPF, PTR, reputation) does not hold for another.  `may` says of an address
    and port why there may be no connection, or "".
    """

    timeout: float
    sources: tuple[str, ...] = ()
    may: Callable[[str, int], str] = _anywhere
    stagger: float = STAGGER

    def source_for(self, target: Target) -> str | None:
        """Return the local address to connect from, "" for any; None means: not at all."""
        if not self.sources:
            return ""
        return next((own for own in self.sources if _family(own) == _family(target.address)), None)


async def dial(found: Sequence[Target], protocol: Callable[[Target], P], how: Dial) -> P:
    """Connect to the first of the targets that answers; raise `Unreached`, which tells of each."""
    failures: list[Answer] = []
    racing: deque[tuple[Target, str]] = deque()
    for target in found:
        source = how.source_for(target)
        # Once more, although it was checked when it was found: nothing may come in between.
        no = how.may(target.address, target.port)
        if source is None:
            no = "no source_address of this family"
        if no or source is None:
            failures.append(_no(target, Trouble.UNREACHABLE, no))
        else:
            racing.append((target, source))
    target, winner = await _race(racing, how, failures)
    try:
        _, made = await asyncio.get_running_loop().create_connection(
            lambda: protocol(target), sock=winner
        )
    except BaseException:
        winner.close()
        raise
    return made


async def _race(
    waiting: deque[tuple[Target, str]], how: Dial, failures: list[Answer]
) -> tuple[Target, socket.socket]:
    """Return the first connected socket and close all others; raise `Unreached`."""
    running: dict[asyncio.Task[socket.socket], Target] = {}
    try:
        while waiting or running:
            if waiting:
                target, source = waiting.popleft()
                task = asyncio.create_task(_connect(target, source, how.timeout))
                running[task] = target
            done, _ = await asyncio.wait(
                running,
                timeout=how.stagger if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [task for task in running if task in done]:
                target = running.pop(task)
                error = task.exception()
                if error is None:
                    return target, task.result()
                failures.append(_answer(target, error, how.timeout))
    finally:
        for task in running:
            task.add_done_callback(_close)
            task.cancel()
    raise Unreached(_sum_of(failures))


async def _connect(target: Target, source: str, timeout: float) -> socket.socket:  # noqa: ASYNC109
    """Return a connected socket; raise OSError, of which TimeoutError is one."""
    opened = socket.socket(_family(target.address), socket.SOCK_STREAM)
    try:
        opened.setblocking(False)  # noqa: FBT003 - the socket module knows no keywords
        if source:
            if _BIND_NO_PORT is not None:
                opened.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
            opened.bind((source, 0))
        async with asyncio.timeout(timeout):
            where = (target.address, target.port)
            await asyncio.get_running_loop().sock_connect(opened, where)
    except BaseException:
        opened.close()
        raise
    return opened


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Close what came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _answer(target: Target, error: BaseException, timeout: float) -> Answer:
    if isinstance(error, TimeoutError) and getattr(error, "errno", None) is None:
        return _no(target, Trouble.TIMEOUT, f"waited {timeout:.0f} s")
    if not isinstance(error, OSError):
        raise error
    trouble = Trouble.TIMEOUT if isinstance(error, TimeoutError) else Trouble.UNREACHABLE
    return _no(target, trouble, str(error.strerror or error))


def _no(target: Target, trouble: Trouble, why: str) -> Answer:
    return Answer(Stage.CONNECT, None, trouble, f"{target.shown}: {why}"[:300])


def _sum_of(failures: Sequence[Answer]) -> Answer:
    """Return one answer that tells of every address; a time-out says more than "no route"."""
    if not failures:
        return Answer(Stage.CONNECT, None, Trouble.NAME, "no address")
    slow = any(no.trouble is Trouble.TIMEOUT for no in failures)
    trouble = Trouble.TIMEOUT if slow else Trouble.UNREACHABLE
    return Answer(Stage.CONNECT, None, trouble, "; ".join(no.detail for no in failures)[:600])
