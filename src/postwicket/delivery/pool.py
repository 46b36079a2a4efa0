"""The connections to one upstream: a few, kept while there is mail, given up together.

`submit` a shipment, and the `Consignor` hears of each of its deliveries exactly once: reported
(an attempt was made), postponed (the host rests; no attempt was spent) or, after `withdraw`,
handed back.  All decisions are in `plan`; this performs them, without a task per shipment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.config.settings import DeliverySettings, Host
from postwicket.config.transport import Upstream
from postwicket.core.clock import Clock
from postwicket.policy.cause import cause_of
from postwicket.policy.outcome import Scope, is_untried, scope_of
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.smtp.client.transcript import Transcript
from postwicket.storage.interfaces import Content

from .connection import Connection, Timeouts
from .dialling import Target, TlsPlan, Unreached, dial, opening_for, targets, tls_plan_for
from .plan import CROWDED_FOR, WELL, Health, Step, View, plan
from .shipment import UNREADABLE_ERRORS, Report, Shipment, unreadable

SWEEP_EVERY: Final = 1.0  # seconds between looks at idle connections


class Consignor(Protocol):
    """Who hands shipments in (the dispatcher)."""

    def may_begin(self) -> bool:
        """Say whether one more attempt may be under way in this process."""
        ...

    def content_of(self, shipment: Shipment) -> Content:
        """Return the bytes; may raise what reading raises."""
        ...

    def reported(self, shipment: Shipment, report: Report) -> None:
        """Take what came of an attempt."""
        ...

    def postponed(self, shipment: Shipment, answer: Answer, until: float) -> None:
        """Take a shipment back that had no attempt; the host is thought to be back by then."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all pools of a process share."""

    hostname: str
    delivery: DeliverySettings
    static: Sequence[Host]
    schedule: Sequence[float]
    clock: Clock
    disk: Executor | None = None


class _Errand:
    """A connection on its way to being ready: its task, and the connection once there is one."""

    __slots__ = ("connection", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.connection: Connection | None = None


class Pool:
    """The connections of this process to one upstream.  Implements `connection.Owner`."""

    def __init__(self, upstream: Upstream, around: Surroundings, consignor: Consignor) -> None:
        self.upstream = upstream
        self._around = around
        self._consignor = consignor
        self._timeouts = Timeouts(
            connect=around.delivery.connect_timeout,
            command=around.delivery.command_timeout,
            data=around.delivery.data_timeout,
        )
        self._waiting: deque[Shipment] = deque()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening: set[_Errand] = set()
        self._leaving: set[Connection] = set()
        self._health: Health = WELL
        self._last_no = Answer(Stage.CONNECT)
        self._crowded = (0, 0.0)  # (connections, until when)
        self._tls: TlsPlan | None = None
        self._turning = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    # --- for the dispatcher ---------------------------------------------------------------

    @property
    def busy(self) -> int:
        """How many attempts are under way."""
        return len(self._busy)

    def submit(self, shipment: Shipment) -> None:
        """Take a shipment; it goes as soon as a connection is free."""
        self._waiting.append(shipment)
        self.turn()

    def withdraw(self) -> list[Shipment]:
        """Hand back what has not begun."""
        back = list(self._waiting)
        self._waiting.clear()
        return back

    def turn(self) -> None:
        """Do what can be done now for those who wait."""
        if self._turning:
            return  # a step of this very loop called back; the loop goes on by itself
        self._turning = True
        try:
            while self._waiting and not self._closed and self._step():
                pass
        finally:
            self._turning = False

    def close(self) -> list[Shipment]:
        """Hang up everywhere; return what was under way and is known not to have arrived.

        What waits for the answer to its last octet is reported as lost: it may have arrived.
        """
        self._closed = True
        back = self.withdraw()
        for connection in list(self._busy):
            if connection.machine.stage is not Stage.FINAL and connection.shipment is not None:
                back.append(connection.shipment)
                connection.shipment = None
            connection.abort("this server stops")
        for errand in list(self._opening):
            if errand.task is not None:
                errand.task.cancel()
            if errand.connection is not None:
                errand.connection.abort("this server stops")
        for connection in [*self._idle, *self._leaving]:
            connection.abort("this server stops")
        if self._timer is not None:
            self._timer.cancel()
        return back

    def rest(self) -> None:
        """Say goodbye on every idle connection."""
        while self._idle:
            self._retire(self._idle.pop())

    # --- steps ----------------------------------------------------------------------------

    def _step(self) -> bool:
        """Perform one step; return whether there may be another."""
        now = self._around.clock()
        match plan(self._view(now)):
            case Step.REUSE:
                if not self._consignor.may_begin():
                    return False
                self._send(self._idle.pop())
            case Step.RETIRE:
                self._retire(self._idle.pop())
            case Step.OPEN:
                if not self._consignor.may_begin():
                    return False
                errand = _Errand()
                self._opening.add(errand)
                errand.task = asyncio.get_running_loop().create_task(self._open(errand))
            case Step.POSTPONE:
                shipment = self._waiting.popleft()
                self._consignor.postponed(shipment, self._last_no, self._health.until)
            case Step.WAIT:
                return False
        return True

    def _view(self, now: float) -> View:
        freshest = self._idle[-1] if self._idle else None
        limit = self.upstream.connections
        crowd, until = self._crowded
        return View(
            idle=len(self._idle),
            worn=freshest is not None and self._is_worn(freshest),
            opening=len(self._opening),
            busy=len(self._busy),
            waiting=len(self._waiting),
            limit=min(limit, crowd) if now < until else limit,
            health=self._health,
            now=now,
        )

    def _is_worn(self, connection: Connection) -> bool:
        return (
            connection.machine.worn or connection.carried >= self.upstream.messages_per_connection
        )

    def _send(self, connection: Connection) -> None:
        shipment = self._waiting.popleft()
        self._busy.add(connection)
        try:
            content = self._consignor.content_of(shipment)
        except UNREADABLE_ERRORS:
            self._busy.discard(connection)
            self._idle.append(connection)
            self._report(shipment, connection, unreadable(shipment))
            return
        connection.send(shipment, content)

    def _retire(self, connection: Connection) -> None:
        self._leaving.add(connection)
        connection.quit()

    async def _open(self, errand: _Errand) -> None:
        """Open one connection: it becomes `ready`, or somebody hears why not."""
        around, upstream = self._around, self.upstream
        began = around.clock()
        try:
            how = opening_for(upstream, around.hostname)
            self._tls = self._tls or tls_plan_for(upstream)
            found = await targets(upstream.host, upstream.port, around.static)

            def made(target: Target) -> Connection:
                errand.connection = Connection(
                    how,
                    self._tls,
                    timeouts=self._timeouts,
                    clock=around.clock,
                    owner=self,
                    disk=around.disk,
                )
                errand.connection.remote = target.shown
                return errand.connection

            await dial(
                found,
                made,
                timeout=self._timeouts.connect,
                source=str(around.delivery.source_address or "") or None,
            )
        except Unreached as no:
            self._opening.discard(errand)
            transcript = Transcript(began)
            transcript.remark(around.clock(), str(no.answer))
            self._not_opened(no.answer, _Told(transcript, began))

    def _not_opened(self, answer: Answer, told: _Told) -> None:
        """Learn from a connection that did not come about."""
        now = self._around.clock()
        others = len(self._busy) + len(self._idle) + len(self._opening)
        if others and (answer.reply is None or answer.reply.temporary):
            # The host takes those that are open, and no more; if it takes none, the last of
            # those on their way will tell.
            self._crowded = (others, now + CROWDED_FOR)
        else:
            self._host_failed(answer, now)
            if self._waiting and not self._closed:
                shipment = self._waiting.popleft()
                answers = (answer,) * len(shipment.deliveries)
                self._consignor.reported(shipment, told.report(answers, now))
        self.turn()

    def _host_failed(self, answer: Answer, now: float) -> None:
        self._last_no = answer
        self._crowded = (0, 0.0)
        self._tls = None  # a mended `ca` is read again
        self._health = self._health.failed(cause_of(answer), self._around.schedule, now)

    # --- connection.Owner -----------------------------------------------------------------

    def connection_ready(self, connection: Connection) -> None:
        """Use a connection whose session is set up."""
        if connection.machine.ended:
            return  # `connection_ended` comes next; to try anew at once would never end
        self._opening -= {e for e in self._opening if e.connection is connection}
        connection.free_since = self._around.clock()
        self._idle.append(connection)
        self._sweep_later()
        self.turn()

    def connection_finished(
        self, connection: Connection, shipment: Shipment, answers: tuple[Answer, ...]
    ) -> None:
        """Report an attempt; send again at once what the session would not carry."""
        self._busy.discard(connection)
        if not connection.machine.ended:
            self._idle.append(connection)
            self._sweep_later()
        tried = [i for i, answer in enumerate(answers) if not is_untried(answer)]
        if len(tried) < len(answers):
            untried = [i for i, answer in enumerate(answers) if is_untried(answer)]
            self._waiting.appendleft(shipment.only(untried))
            if connection.machine.ended:
                self.rest()  # what is idle is as stale as this one was
            shipment = shipment.only(tried)
            answers = tuple(answers[i] for i in tried)
        if tried:
            self._learn(answers)
            self._report(shipment, connection, answers, tried)
        self.turn()

    def connection_ended(self, connection: Connection, answer: Answer) -> None:
        """Forget a connection."""
        errands = {e for e in self._opening if e.connection is connection}
        self._busy.discard(connection)
        self._leaving.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if errands:
            self._opening -= errands
            told = _Told(
                connection.transcript, connection.began, connection.remote, connection.tls
            )
            self._not_opened(answer, told)
        else:
            self.turn()

    # --- inside ---------------------------------------------------------------------------

    def _learn(self, answers: tuple[Answer, ...]) -> None:
        for answer in answers:
            if not answer.accepted and scope_of(answer, cause_of(answer)) is Scope.HOST:
                self._host_failed(answer, self._around.clock())
                return
        self._health = WELL

    def _report(
        self,
        shipment: Shipment,
        connection: Connection,
        answers: tuple[Answer, ...],
        lines: Sequence[int] = (),
    ) -> None:
        told = _Told(
            connection.transcript,
            connection.began,
            connection.remote,
            connection.tls,
            connection.machine.notifies,
        )
        self._consignor.reported(
            shipment, told.report(answers, self._around.clock(), tuple(lines))
        )

    def _sweep_later(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)

    def _sweep(self) -> None:
        """Say goodbye on connections that were idle for long enough; the oldest come first."""
        self._timer = None
        limit = self._around.clock() - self.upstream.idle
        for connection in [c for c in self._idle if c.free_since <= limit]:
            self._idle.remove(connection)
            self._retire(connection)
        if self._idle:
            self._sweep_later()


@dataclass(frozen=True, slots=True)
class _Told:
    """How an attempt went, whatever came of it."""

    transcript: Transcript
    began: float
    remote: str = ""
    tls: str = ""
    dsn: bool = False

    def report(
        self, answers: tuple[Answer, ...], now: float, lines: tuple[int, ...] = ()
    ) -> Report:
        return Report(
            answers=answers,
            at=self.began,
            seconds=max(0.0, now - self.began),
            remote=self.remote,
            tls=self.tls,
            transcript=self.transcript,
            lines=lines or tuple(range(len(answers))),
            dsn=self.dsn,
        )
