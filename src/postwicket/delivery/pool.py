"""The connections to one place that takes mail: a few, kept while there is mail.

The place is an upstream, or a site: exchangers that share one limit.  `submit` a shipment, and the
`Consignor` hears of each of its deliveries exactly once: reported (an attempt was made), postponed
(the place rests; no attempt was spent) or, after `withdraw`, handed back.  Connections carry only
shipments with the key of their way.  All decisions are in `plan`; this performs them, without a
task per shipment.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.policy.outcome import is_untried
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.storage.interfaces import Content

from .calendar import Calendar
from .connection import Connection
from .errand import Errand, Means
from .idle import Idle
from .known_ways import KnownWays
from .lesson import lesson_of
from .line import Line
from .pacing import Pacing
from .plan import Step, View, plan
from .shipment import UNREADABLE_ERRORS, Report, Shipment, Told, unreadable
from .turnstile import Turnstile
from .way import Bounds, Way

SWEEP_EVERY: Final = 1.0  # seconds between looks at idle connections
SILENT_AFTER: Final = 30.0  # seconds: one silent host of many says little about their site
FORGET_AFTER: Final = 600.0  # seconds without mail
STOPS: Final = "this server stops"


class Consignor(Protocol):
    """Who hands shipments in (the dispatcher)."""

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

    means: Means
    schedule: Sequence[float]
    turnstile: Turnstile
    calendar: Calendar


_BEGINS: Final = frozenset({Step.REUSE, Step.OPEN})


class Pool:
    """The connections of this process to one place.

    Implements `connection.Owner`, `errand.Sender` and `turnstile.Comer`.
    """

    def __init__(
        self, name: str, bounds: Bounds, around: Surroundings, consignor: Consignor
    ) -> None:
        self.name = name
        self.pacing = Pacing(bounds.rule)
        self._share = around.calendar.place(name)
        self._share.pacing = self.pacing
        self._bounds = bounds
        self._around = around
        self._clock = around.means.clock
        self._consignor = consignor
        self._line = Line()
        self._parked: dict[Hashable, deque[Shipment]] = {}  # they wait for their way
        self._idle = Idle()
        self._busy: set[Connection] = set()
        self._opening: set[Errand] = set()
        self._leaving: set[Connection] = set()
        self._here: Counter[Hashable] = Counter()  # opening and busy, by way
        self._ways = KnownWays(around.schedule)
        self._took = -math.inf  # when it last answered as a place that takes mail
        self._used = 0.0  # when somebody last wanted to send here
        self._turning = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None

    # --- for the dispatcher ---------------------------------------------------------------

    @property
    def busy(self) -> int:
        """How many attempts are under way."""
        return len(self._busy)

    @property
    def empty(self) -> bool:
        """Say whether nobody waits here and no connection is open or on its way."""
        connections = self._opening or self._busy or self._leaving or len(self._idle)
        return not (connections or self._parked or len(self._line))

    def forgettable(self, now: float) -> bool:
        """Say whether nothing is here, and nothing that is worth remembering."""
        ill = self._ways.tidy(now)
        return self.empty and not ill and self._used + FORGET_AFTER < now

    def submit(self, shipment: Shipment) -> None:
        """Take a shipment; it goes as soon as a connection is free."""
        self._used = self._clock()
        self._line.add(shipment)
        self.turn()

    def withdraw(self) -> list[Shipment]:
        """Hand back what has not begun."""
        back = [shipment for parked in self._parked.values() for shipment in parked]
        self._parked.clear()
        return [*back, *self._line.clear()]

    def turn(self) -> None:
        """Do what can be done now for those who wait."""
        if self._turning:
            return  # a step of this very loop called back; the loop goes on by itself
        self._turning = True
        try:
            while not self._closed and self._step():
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
            connection.abort(STOPS)
        for errand in list(self._opening):
            errand.cancel(STOPS)
        for connection in [*self._idle, *self._leaving]:
            connection.abort(STOPS)
        for timer in (self._timer, self._alarm):
            if timer is not None:
                timer.cancel()
        return back

    def rest(self) -> None:
        """Say goodbye on every idle connection."""
        for connection in self._idle:
            self._retire(connection)

    # --- steps ----------------------------------------------------------------------------

    def _step(self) -> bool:
        """Perform one step for the first who waits; return whether there may be another."""
        now = self._clock()
        limit = self.pacing.connections(now)
        used = len(self._busy) + len(self._opening)
        # Bulk never takes the last connection, so that nothing urgent has to wait for it.
        bulk = limit == 1 or used + 1 < limit
        shipment = self._line.first(bulk=bulk)
        if shipment is None:
            return False
        key = shipment.way.key
        idle = self._idle.of(key)
        step = plan(
            View(
                idle=len(idle),
                worn=bool(idle) and self._is_worn(idle[-1]),
                here=self._here[key],
                met=self._ways.met(key) or not self._bounds.rule.slow_start,
                spare=len(self._idle) - len(idle),
                used=used,
                limit=limit,
                pause=self.pacing.wait(now),
                health=self._ways.health(key),
                now=now,
            )
        )
        if step in _BEGINS and not self._around.turnstile.open(self):
            return False
        return self._perform(step, shipment, bulk=bulk)

    def _perform(self, step: Step, shipment: Shipment, *, bulk: bool) -> bool:
        key = shipment.way.key
        match step:
            case Step.REUSE:
                self._send(self._line.take(bulk=bulk), self._idle.take(key))
            case Step.RETIRE:
                self._retire(self._idle.of(key)[-1])
            case Step.MAKE_ROOM:
                self._retire(self._idle.oldest())
            case Step.OPEN:
                self._park(self._line.take(bulk=bulk))
                self._open(shipment.way)
            case Step.PARK:
                self._park(self._line.take(bulk=bulk))
            case Step.POSTPONE:
                sick = self._ways.sick(key)
                self._line.take(bulk=bulk)
                self._consignor.postponed(shipment, sick.answer, sick.health.until)
            case Step.PAUSE:
                self._turn_after(self.pacing.wait(self._clock()))
                return False
            case Step.WAIT:
                return False
        return True

    def _is_worn(self, connection: Connection) -> bool:
        most = self._bounds.rule.messages_per_connection
        return connection.machine.worn or connection.carried >= most

    def _send(self, shipment: Shipment, connection: Connection) -> None:
        try:
            content = self._consignor.content_of(shipment)
        except UNREADABLE_ERRORS:
            self._idle.keep(connection)
            self._sweep_later()
            self._report(shipment, connection, unreadable(shipment))
            return
        self._busy.add(connection)
        self._here[connection.way.key] += 1
        self._around.turnstile.enter(connection)
        self.pacing.begun(self._clock())
        connection.send(shipment, content)

    def _open(self, way: Way) -> None:
        errand = Errand(way, self._around.means, self)
        self._opening.add(errand)
        self._here[way.key] += 1
        errand.start()

    def _retire(self, connection: Connection) -> None:
        self._idle.discard(connection)
        self._leaving.add(connection)
        connection.quit()

    # --- those who wait for a connection of their way ---------------------------------------

    def _park(self, shipment: Shipment) -> None:
        self._parked.setdefault(shipment.way.key, deque()).append(shipment)

    def _unpark(self, key: Hashable) -> Shipment | None:
        parked = self._parked.get(key)
        if not parked:
            return None
        shipment = parked.popleft()
        if not parked:
            del self._parked[key]
        return shipment

    def _free(self, connection: Connection) -> None:
        """Give a connection to who waits for one of its way, or keep it."""
        connection.free_since = self._clock()
        if not self._closed and not self._is_worn(connection):
            shipment = self._unpark(connection.way.key)
            if shipment is not None:
                if not self.pacing.wait(self._clock()) and self._around.turnstile.open(self):
                    self._send(shipment, connection)
                    return
                self._line.put_back(shipment)
        self._idle.keep(connection)
        self._sweep_later()

    def _settle_parked(self, key: Hashable) -> None:
        """Let those stand in line again for whom no connection of their way is left."""
        if key in self._parked and not self._here[key]:
            for shipment in reversed(self._parked.pop(key)):
                self._line.put_back(shipment)

    def _gone_from(self, key: Hashable) -> None:
        self._here[key] -= 1
        if self._here[key] <= 0:
            del self._here[key]

    # --- errand.Sender --------------------------------------------------------------------

    def errand_done(self, errand: Errand, connection: Connection) -> None:
        """Use a connection whose session is set up."""
        key = errand.way.key
        self._opening.discard(errand)
        self._gone_from(key)
        self._ways.meet(key)
        connection.owner = self
        self._free(connection)
        on_their_way = sum([other.way.key == key for other in self._opening])
        while len(self._parked.get(key, ())) > on_their_way:
            self._line.put_back(self._parked[key].pop())
        if not self._parked.get(key):
            self._parked.pop(key, None)
        self.turn()

    def errand_failed(self, errand: Errand, answer: Answer, told: Told) -> None:
        """Learn from a connection that did not come about."""
        key, now = errand.way.key, self._clock()
        self._opening.discard(errand)
        self._gone_from(key)
        others = self._here[key] + len(self._idle.of(key))
        if others and (answer.reply is None or answer.reply.temporary):
            # The host takes those that are open, and no more; if it takes none, the last of
            # those on their way will tell.
            open_now = len(self._busy) + len(self._idle) + len(self._opening)
            self.pacing.crowded(open_now, now)
        else:
            self._host_failed(key, answer, now)
            shipment = None if self._closed else self._unpark(key)
            if shipment is not None:
                answers = (answer,) * len(shipment.deliveries)
                self._consignor.reported(shipment, told.report(answers, now))
        self._settle_parked(key)
        self.turn()

    # --- connection.Owner -----------------------------------------------------------------

    def connection_ready(self, connection: Connection) -> None:
        """Never comes: an errand hands over what is ready."""

    def connection_finished(
        self, connection: Connection, shipment: Shipment, answers: tuple[Answer, ...]
    ) -> None:
        """Report an attempt; send again at once what the session would not carry."""
        self._not_busy(connection)
        key = connection.way.key
        tried = [i for i, answer in enumerate(answers) if not is_untried(answer)]
        if len(tried) < len(answers):
            untried = [i for i, answer in enumerate(answers) if is_untried(answer)]
            self._line.put_back(shipment.only(untried))
            if connection.machine.ended:
                self.rest()  # what is idle is as stale as this one was
            shipment = shipment.only(tried)
            answers = tuple(answers[i] for i in tried)
        if tried:
            self._learn(key, answers)
            self._report(shipment, connection, answers, tried)
        if not connection.machine.ended:
            self._free(connection)
        self._settle_parked(key)
        self.turn()

    def connection_ended(self, connection: Connection, answer: Answer) -> None:  # noqa: ARG002
        """Forget a connection."""
        self._not_busy(connection)
        self._leaving.discard(connection)
        self._idle.discard(connection)
        self._settle_parked(connection.way.key)
        self.turn()

    # --- inside ---------------------------------------------------------------------------

    def _not_busy(self, connection: Connection) -> None:
        if connection in self._busy:
            self._busy.discard(connection)
            self._gone_from(connection.way.key)
            self._around.turnstile.leave(connection)

    def _host_failed(self, key: Hashable, answer: Answer, now: float, pause: float = 0.0) -> None:
        self.pacing.fell_silent()
        if now - self._took > SILENT_AFTER:
            self._around.calendar.prove(self._share, proven=False)
        self._ways.failed(key, answer, now, pause)

    def _learn(self, key: Hashable, answers: tuple[Answer, ...]) -> None:
        now = self._clock()
        taken = sum([answer.accepted for answer in answers])
        lesson = lesson_of(answers)
        if lesson.illness is not None:
            self._host_failed(key, lesson.illness, now, lesson.pause)
        else:
            self._ways.well(key)
            self._took = now
            self._around.calendar.prove(self._share, proven=True)
        if taken:
            in_use = len(self._busy) + len(self._opening) + 1
            self.pacing.took(taken, now, in_use=in_use)
        if lesson.objects:
            self.pacing.objected(now, to_messages=lesson.to_messages)

    def _report(
        self,
        shipment: Shipment,
        connection: Connection,
        answers: tuple[Answer, ...],
        lines: Sequence[int] = (),
    ) -> None:
        told = Told(
            connection.transcript,
            connection.began,
            connection.remote,
            connection.tls,
            connection.machine.notifies,
            connection.trust,
        )
        self._consignor.reported(shipment, told.report(answers, self._clock(), tuple(lines)))

    def _turn_after(self, seconds: float) -> None:
        if self._alarm is None and not self._closed:
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self.turn()

    def _sweep_later(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)

    def _sweep(self) -> None:
        """Say goodbye on connections that were idle for long enough."""
        self._timer = None
        limit = self._clock() - self._bounds.idle
        for connection in self._idle:
            if connection.free_since <= limit:
                self._retire(connection)
        if self._idle:
            self._sweep_later()
