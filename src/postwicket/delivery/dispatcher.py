"""Who sends what when: a bounded window of claimed deliveries, and everything they need.

Fresh mail comes in by `offer`, straight from memory; what is due comes from the queue, which is
asked once a second at least, so that nothing starts more than a second late and `queue retry`
in another process is seen.  Only deliveries in the window are in memory, however long the queue.

The loop is never blocked, and there is no task per delivery: pools and storage call back.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Final

from postwicket.config.settings import Settings
from postwicket.core.clock import Clock
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.smtp.client.answer import Answer
from postwicket.storage.interfaces import Content, Queue, StorageUnavailable
from postwicket.storage.values import Claimed, Delivery

from .bounce import Bounces
from .conclude import Circumstances, Conclusion, conclude, postpone, put_away
from .connection import Timeouts
from .direct import Direct, Guide
from .errand import Means
from .pool import Pool, Surroundings
from .route import CAPTURE, DIRECT, DISCARD, Router, upstream_of
from .settling import Settling
from .shipment import Report, Shipment
from .turnstile import Turnstile
from .upstream import bounds_of, way_to
from .way import Way

LEASE: Final = 1800.0  # seconds: longer than any attempt with data_timeout may take
RENEW_EVERY: Final = 120.0  # seconds
POLL_EVERY: Final = 1.0  # seconds: the most that anything due is late
MOST_KEPT: Final = 33_554_432  # octets of fresh content in memory; beyond it is read back


class Dispatcher:
    """The deliveries of one process.  Implements `pool.Consignor` and the door's `Onward`."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        ids: QueueIds,
        guide: Guide,
        *,
        slot: int,
        clock: Clock,
        disk: Executor | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._slot = slot
        self._clock = clock
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._router = Router(settings.route)
        self._settling = Settling(queue)
        self._bounces = Bounces(
            hostname=settings.hostname,
            expire=settings.queue.expire,
            ids=ids,
            clock=clock,
            boundary=lambda: secrets.token_hex(16),
        )
        around = _surroundings(settings, clock, disk)
        self._source = settings.delivery.source_address or ""
        self._pools = {
            u.name: Pool(f"upstream {u.name}", bounds_of(u), around, self)
            for u in settings.upstream
        }
        self._ways: dict[tuple[str, str], Way] = {}  # to upstreams, by name and source address
        self._direct = Direct(guide, around, self)
        self._held = 0  # deliveries in the window
        self._kept = 0  # octets of fresh content in memory
        self._fresh: dict[QueueId, list[int]] = {}  # its octets, and deliveries that need it
        self._draining = False
        self._stopped = False
        self._claiming = False
        self._renewed = clock()
        self._empty: asyncio.Event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # --- for the worker -------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look for what is due."""
        self._poll()

    def room(self) -> bool:
        """Say whether a fresh message can be taken from memory."""
        return not self._draining and self._held < self._settings.queue.window

    def offer(self, claimed: Claimed, content: Content | None) -> None:
        """Take a fresh message that this process holds a claim on; it starts at once.

        `content` is None where it has to be read back.
        """
        self._held += len(claimed.deliveries)
        if self._draining:
            self._hand_back(claimed.deliveries)
            return
        if content is not None and self._kept + content.size > MOST_KEPT:
            content = None
        if content is not None:
            self._kept += content.size
            self._fresh[claimed.message.id] = [content.size, len(claimed.deliveries)]
        self._start(claimed, content)

    @property
    def held(self) -> int:
        """How many deliveries are in the window."""
        return self._held

    async def drain(self, deadline: float) -> None:
        """Stop claiming, let attempts under way end until `deadline` (clock time), then hang up.

        What has not begun is handed back at once.  What is cut off goes back too, unless it was
        sent whole and only its answer is missing: that is stored as uncertain.
        """
        self._draining = True
        carriers: list[Pool | Direct] = [*self._pools.values(), self._direct]
        for carrier in carriers:
            carrier.rest()
            self._hand_back_all(carrier.withdraw())
        await self._until_empty(deadline - self._clock())
        for carrier in carriers:
            self._hand_back_all(carrier.close())
        await self._until_empty(2.0)
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    # --- pool.Consignor -------------------------------------------------------------------

    def content_of(self, shipment: Shipment) -> Content:
        """Return the bytes of a shipment, from memory if they are there."""
        return shipment.content or self._queue.content(shipment.message.id)

    def reported(self, shipment: Shipment, report: Report) -> None:
        """Store what came of an attempt."""
        self._conclude(shipment, conclude(shipment, report, self._circumstances()))

    def postponed(self, shipment: Shipment, answer: Answer, until: float) -> None:
        """Store that a shipment waits for its host."""
        self._conclude(shipment, postpone(shipment, answer, until, self._circumstances()))

    # --- inside ---------------------------------------------------------------------------

    def _start(self, claimed: Claimed, content: Content | None) -> None:
        """Send a claimed message on its ways: one shipment for each route."""
        message = claimed.message
        ways: dict[tuple[str, str, str], list[Delivery]] = {}
        for delivery in claimed.deliveries:
            address = delivery.recipient.address
            route = self._router.route(message, delivery.recipient)
            domain = address.wire_domain if route.via == DIRECT else ""
            source = str(route.source_address or self._source)
            ways.setdefault((route.via, source, domain), []).append(delivery)
        for (via, source, domain), deliveries in ways.items():
            shipment = Shipment(
                message=message, deliveries=tuple(deliveries), via=via, content=content
            )
            if via == DIRECT:
                self._direct.submit(shipment, domain, source)
            elif via in {CAPTURE, DISCARD}:
                self._conclude(shipment, put_away(shipment, self._circumstances()))
            else:
                self._submit_upstream(shipment, source)

    def _submit_upstream(self, shipment: Shipment, source: str) -> None:
        name = upstream_of(shipment.via) or ""
        way = self._ways.get((name, source))
        if way is None:
            upstream = next(one for one in self._settings.upstream if one.name == name)
            way = way_to(upstream, self._settings.hostname, self._settings.host, source)
            self._ways[name, source] = way
        self._pools[name].submit(replace(shipment, way=way))

    def _circumstances(self) -> Circumstances:
        queue = self._settings.queue
        return Circumstances(
            slot=self._slot,
            schedule=queue.retry,
            delay_notice=queue.delay_notice,
            now=self._clock(),
            jitter=2 * self._chance() - 1,
        )

    def _conclude(self, shipment: Shipment, conclusion: Conclusion) -> None:
        notices = (
            self._bounces.notices(
                shipment.message, lambda: self.content_of(shipment), conclusion.results
            )
            if conclusion.results
            else ()
        )
        deliveries = shipment.deliveries
        self._settling.settle(conclusion.settlements, notices, lambda: self._let_go(deliveries))

    def _let_go(self, deliveries: Sequence[Delivery]) -> None:
        """Take deliveries of one message out of the window."""
        count = len(deliveries)
        self._held -= count
        fresh = self._fresh.get(deliveries[0].message)
        if fresh is not None:
            fresh[1] -= count
            if fresh[1] <= 0:
                self._kept -= fresh[0]
                del self._fresh[deliveries[0].message]
        if self._held <= 0:
            self._empty.set()

    def _hand_back_all(self, shipments: Sequence[Shipment]) -> None:
        for shipment in shipments:
            self._hand_back(shipment.deliveries)

    def _hand_back(self, deliveries: Sequence[Delivery]) -> None:
        """Release a claim without an attempt; if that fails, the claim ends with its lease."""

        def released(future: asyncio.Future[None]) -> None:
            if not future.cancelled():
                future.exception()
            self._let_go(deliveries)

        try:
            self._queue.give_back(self._slot, deliveries).add_done_callback(released)
        except StorageUnavailable:
            self._let_go(deliveries)

    async def _until_empty(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while self._held > 0:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return

    # --- the queue ------------------------------------------------------------------------

    def _poll(self) -> None:
        """Claim what is due, if there is room; look again in a second or when something is."""
        if self._stopped:
            return
        now = self._clock()
        pause = POLL_EVERY
        try:
            self._renew(now)
            room = self._settings.queue.window - self._held
            # A nearly full window would claim by ones: it waits until there is room for some.
            if (
                not self._draining
                and not self._claiming
                and room > self._settings.queue.window // 8
            ):
                due = self._queue.next_due()
                if due is not None and due <= now:
                    self._claim(now, room)
                elif due is not None:
                    pause = min(POLL_EVERY, max(0.01, due - now))
        except StorageUnavailable:
            pause = POLL_EVERY
        self._timer = self._loop.call_later(pause, self._poll)

    def _claim(self, now: float, room: int) -> None:
        future = self._queue.claim(self._slot, now=now, lease_until=now + LEASE, limit=room)
        self._claiming = True
        future.add_done_callback(self._claimed)

    def _claimed(self, future: asyncio.Future[list[Claimed]]) -> None:
        self._claiming = False
        if future.cancelled() or future.exception() is not None:
            return  # asked again within a second
        for claimed in future.result():
            self._held += len(claimed.deliveries)
            if self._draining:
                self._hand_back(claimed.deliveries)
            else:
                self._start(claimed, None)
        if future.result():
            # There may be more: do not wait for the second to pass.
            self._look_again()

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(0.01, self._poll)

    def _renew(self, now: float) -> None:
        if self._held and now - self._renewed >= RENEW_EVERY:
            self._renewed = now
            future = self._queue.renew(self._slot, lease_until=now + LEASE)
            future.add_done_callback(lambda f: f.cancelled() or f.exception())


def _surroundings(settings: Settings, clock: Clock, disk: Executor | None) -> Surroundings:
    delivery = settings.delivery
    timeouts = Timeouts(
        connect=delivery.connect_timeout,
        command=delivery.command_timeout,
        data=delivery.data_timeout,
    )
    return Surroundings(
        means=Means(timeouts=timeouts, clock=clock, disk=disk),
        schedule=settings.queue.retry,
        turnstile=Turnstile(delivery.attempts_at_once),
    )
