"""Reaching an upstream: its addresses, how to speak with it; what a failure to connect is.

An upstream is the operator's own choice: its name is asked for as every program of the machine
does (/etc/hosts, then DNS), after `[[host]]`.  IPv6 and IPv4 alternate, so that a family that
leads nowhere costs no more than its turn in the race.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

from postwicket.config.errors import ConfigError
from postwicket.config.settings import Host
from postwicket.config.transport import Upstream
from postwicket.net.certificates import CertificateUnusable, client_context
from postwicket.net.tls_plan import TlsPlan
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.smtp.client.opening import Credentials, Opening

MOST_ADDRESSES: Final = 6  # tried in one attempt; RFC 5321, section 5.1 wants at least two


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
        vouched=upstream.tls != "none" and upstream.verify,
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
    name = upstream.host.strip("[]")
    trust = (lambda _: f"verified for {name}") if upstream.verify else None
    return TlsPlan(context, name, upstream.verify, trust=trust)


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
