"""Which name servers are asked: those of the configuration, or the system's (resolv.conf(5)).

The system's file is looked at again when it has changed: a machine that gets another network
gets other name servers, and mail must not wait for a restart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from postwicket.core.clock import Clock

RESOLV_CONF: Final = Path("/etc/resolv.conf")
PORT: Final = 53
MOST_SERVERS: Final = 4
LOOK_EVERY: Final = 5.0  # seconds between looks at the file
_LARGEST: Final = 65_536  # octets of resolv.conf that are read


class Server(NamedTuple):
    """One name server."""

    address: str
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else self._plain()

    def _plain(self) -> str:
        return f"{self.address}:{self.port}"


class Servers:
    """The name servers, the one that answered last first."""

    def __init__(self, given: Sequence[Server], clock: Clock, *, file: Path = RESOLV_CONF) -> None:
        self._given = tuple(given)
        self._clock = clock
        self._file = file
        self._found: tuple[Server, ...] = ()
        self._state: tuple[int, int] | None = None
        self._look_again = 0.0
        self._first = 0

    def in_order(self) -> tuple[Server, ...]:
        """Return the servers to ask, at least one."""
        servers = self._given or self._system()
        first = self._first % len(servers)
        return servers[first:] + servers[:first]

    def silent(self, server: Server) -> None:
        """Learn that a server did not answer: others are asked before it from now on."""
        if self.in_order()[0] == server:
            self._first += 1

    def _system(self) -> tuple[Server, ...]:
        now = self._clock()
        if now < self._look_again and self._found:
            return self._found
        self._look_again = now + LOOK_EVERY
        try:
            stat = self._file.stat()
            state = (stat.st_mtime_ns, stat.st_ino)
            if state != self._state:
                with self._file.open(encoding="utf-8", errors="replace") as file:
                    self._found = read_resolv_conf(file.read(_LARGEST))
                self._state = state
        except OSError:
            self._found = self._found or read_resolv_conf("")
        return self._found


def read_resolv_conf(text: str) -> tuple[Server, ...]:
    r"""Return the name servers of a resolv.conf(5); without any it is the local one.

    >>> read_resolv_conf("search example.org\nnameserver 192.0.2.53\nnameserver ::1")
    (Server(address='192.0.2.53', port=53), Server(address='::1', port=53))
    >>> read_resolv_conf("")
    (Server(address='127.0.0.1', port=53),)
    """
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(Server(str(ipaddress.ip_address(words[1]))))
            except ValueError:
                continue
    return tuple(dict.fromkeys(found))[:MOST_SERVERS] or (Server("127.0.0.1"),)
