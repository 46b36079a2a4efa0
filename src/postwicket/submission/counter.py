"""The counter of one worker: what its sessions share, who is here, and how long they may stay."""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol

from postwicket.config.settings import SessionSettings
from postwicket.core.clock import Clock
from postwicket.core.entry import Entry, Finding
from postwicket.policy.amount import Allowance
from postwicket.policy.timing import UNBOUND, Bounds
from postwicket.storage.bodies import BodyStore

from .accept import Door
from .sign_in import Members, SignIn

SWEEP_EVERY: Final = 1.0  # seconds
REMEMBERED_FOR: Final = 600.0  # seconds
FINDING_EVERY: Final = 60.0  # seconds
MOST_REMEMBERED: Final = 10_000  # addresses


class Manners(Enum):
    """How the clients of an address begin on a STARTTLS port."""

    UNKNOWN = auto()
    PATIENT = auto()  # they wait for the greeting
    EARLY = auto()  # one started TLS at once


class Guest(Protocol):
    """A connection, as far as the counter is concerned."""

    def drain(self) -> None:
        """Hang up unless a message is under way."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...

    def look_at_the_clock(self, now: float) -> None:
        """Keep the time limits."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Counter:
    """What a session needs of its worker.

    `record` appends to the journal, `report` tells the operator of a bug.  Time limits are kept
    by one sweep a second over all connections, so that ten thousand idle ones cost no timers.
    """

    settings: SessionSettings
    door: Door
    sign_in: SignIn
    members: Members
    bodies: BodyStore
    allowance: Allowance
    record: Callable[[Entry], None]
    report: Callable[[Exception], None]
    clock: Clock
    disk: Executor
    loop: asyncio.AbstractEventLoop
    bounds: Bounds = UNBOUND
    draining: bool = field(default=False, init=False)
    _connections: set[Guest] = field(default_factory=set, init=False)
    _by_address: Tally[str] = field(default_factory=Tally, init=False)
    _manners: dict[str, tuple[Manners, float]] = field(default_factory=dict, init=False)
    _found: dict[tuple[str, str, str], float] = field(default_factory=dict, init=False)
    _empty: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _sweeper: asyncio.TimerHandle | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self._connections)

    def enter(self, connection: Guest) -> None:
        """Keep an eye on a connection."""
        self._connections.add(connection)
        self._empty.clear()
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(SWEEP_EVERY, self._sweep)

    def admit(self, address: str) -> bool:
        """Count a connection of this address; False when there are too many."""
        self._by_address[address] += 1
        return (
            self._by_address[address] <= self.settings.per_address
            and len(self._connections) <= self.settings.connections
        )

    def leave(self, connection: Guest, address: str) -> None:
        """Forget a connection; `address` is "" when it was never counted."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
        if address:
            self._by_address[address] -= 1
            if self._by_address[address] <= 0:
                del self._by_address[address]

    def remember(self, address: str, manners: Manners) -> None:
        """Remember how a client of this address began; what was early stays so for a while."""
        if manners is Manners.PATIENT and self.manners(address) is Manners.EARLY:
            return
        if len(self._manners) >= MOST_REMEMBERED:
            self._manners.clear()
        self._manners[address] = (manners, self.loop.time())

    def manners(self, address: str) -> Manners:
        """Say how clients of this address began lately."""
        manners, at = self._manners.get(address, (Manners.UNKNOWN, 0.0))
        return manners if self.loop.time() - at < REMEMBERED_FOR else Manners.UNKNOWN

    def find(self, finding: Finding) -> None:
        """Record that a client is set up wrongly; the same one once a minute, not in a flood."""
        key, now = (finding.rule, finding.peer, finding.listener), self.loop.time()
        if now - self._found.get(key, -FINDING_EVERY) < FINDING_EVERY:
            return
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        self._found[key] = now
        self.record(finding)

    def drain(self) -> None:
        """Take no new mail: idle sessions end now, the others after their message."""
        self.draining = True
        for connection in list(self._connections):
            connection.drain()

    async def emptied(self) -> None:
        """Return when the last connection has gone."""
        if self._connections:
            await self._empty.wait()

    def abandon(self) -> None:
        """Close whatever is left."""
        for connection in list(self._connections):
            connection.abort()

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self._connections):
            connection.look_at_the_clock(now)
        self._sweeper = (
            self.loop.call_later(SWEEP_EVERY, self._sweep) if self._connections else None
        )
