"""Who sends what when: a bounded window of claimed deliveries, and everything they need.

Fresh mail comes in by `offer`, straight from memory; what is due comes from the queue.  Only
deliveries in the window are in memory, however long the queue; the calendar says who may be
there, and who goes back until it is their turn.

The loop is never blocked, and there is no task per delivery: pools and storage call back.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

from postwicket.config.settings import Settings
from postwicket.core.clock import Clock
from postwicket.core.entry import Notified
from postwicket.core.envelope import Recipient
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.diagnosis.catalogue import catalogue
from postwicket.message.report import Result
from postwicket.policy.lane import BULK
from postwicket.policy.outcome import Doubt
from postwicket.smtp.client.answer import Answer
from postwicket.storage.interfaces import Content, Queue, StorageUnavailable
from postwicket.storage.values import Claimed, Delivery, Message, NewMessage, Settlement
from postwicket.trust.signer import Signer

from .bounce import Bounces
from .calendar import Calendar, Turned
from .claiming import Claiming
from .conclude import Circumstances, Conclusion, conclude, postpone, put_away, set_back, stop
from .connection import Timeouts
from .converting import Converter
from .direct import Direct, Guide
from .errand import Means
from .pool import Surroundings
from .returning import Returning, divert
from .route import CAPTURE, DIRECT, DISCARD, Leg, Router, upstream_of
from .settling import Settling
from .shipment import Report, Shipment
from .turnstile import Turnstile
from .upstream import Upstreams

TIDY_EVERY: Final = 60.0  # seconds between looks at what may be forgotten
MOST_KEPT: Final = 33_554_432  # octets of fresh content in memory; beyond it is read back


class Dispatcher:
    """The deliveries of one process.  Implements `pool.Consignor` and the door's `Onward`."""

    def __init__(  # noqa: PLR0913 - wired once, by name
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
        signer: Signer | None = None,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._slot = slot
        self._clock = clock
        self._chance = chance
        self._router = Router(settings.route)
        self._settling = Settling(queue)
        self._comebacks = Returning(settings, queue, clock)
        self._bounces = Bounces(
            hostname=settings.hostname,
            expire=settings.queue.expire,
            ids=ids,
            clock=clock,
            boundary=lambda: secrets.token_hex(16),
            signer=signer,
        )
        self._calendar = Calendar(settings.queue.window, clock, chance)
        around = _surroundings(settings, self._calendar, clock, disk, signer)
        for place in (CAPTURE, DISCARD):
            self._calendar.trust(place)
        self._source = settings.delivery.source_address or ""
        self._upstreams = Upstreams(settings, around, self)
        self._direct = Direct(guide, around, self)
        self._kept = 0  # octets of fresh content in memory
        self._fresh: dict[QueueId, list[int]] = {}  # its octets, and deliveries that need it
        self._returning = 0  # deliveries whose claims are being released
        self._draining = False
        self._empty: asyncio.Event = asyncio.Event()
        self._tidied = clock()
        self._claiming = Claiming(
            queue,
            slot,
            clock,
            room=self._claimable,
            take=self._take,
            held=lambda: self.held,
        )

    # --- for the worker -------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look for what is due."""
        catalogue()  # read once, and not while somebody waits: it takes a thirtieth of a second
        self._claiming.start()

    def room(self, message: Message) -> bool:
        """Say whether a fresh message can be taken from memory: the window and all shares in it.

        Where it cannot, it waits in the queue for its turn.
        """
        if self._draining:
            return False
        bulk = message.lane == BULK
        turned_away = self._calendar.turned_away
        return all(
            turned_away(message.account, self._place_of(leg), bulk=bulk, fresh=True) is None
            for leg in self._legs(message, message.envelope.recipients)
        )

    def offer(self, claimed: Claimed, content: Content | None) -> None:
        """Take a fresh message that this process holds a claim on; it starts at once.

        `content` is None where it has to be read back.
        """
        if self._draining:
            self._give_back(claimed.deliveries)
            return
        if content is not None and self._kept + content.size > MOST_KEPT:
            content = None
        if content is not None:
            self._kept += content.size
            self._fresh[claimed.message.id] = [content.size, len(claimed.deliveries)]
        for shipment, leg in self._shipments(claimed, content):
            self._enter(shipment)
            self._go(shipment, leg)

    @property
    def held(self) -> int:
        """How many deliveries are in the window."""
        return self._calendar.held + self._returning

    async def drain(self, deadline: float) -> None:
        """Stop claiming, let attempts under way end until `deadline` (clock time), then hang up.

        What has not begun is handed back at once.  What is cut off goes back too, unless it was
        sent whole and only its answer is missing: that is stored as uncertain.
        """
        self._draining = True
        carriers: tuple[Upstreams | Direct, ...] = (self._upstreams, self._direct)
        for carrier in carriers:
            carrier.rest()
            self._hand_back_all(carrier.withdraw())
        await self._until_empty(deadline - self._clock())
        for carrier in carriers:
            self._hand_back_all(carrier.close())
        await self._until_empty(2.0)
        self._claiming.stop()

    # --- pool.Consignor -------------------------------------------------------------------

    def content_of(self, shipment: Shipment) -> Content:
        """Return the bytes of a shipment, from memory if they are there."""
        return shipment.content or self._queue.content(shipment.message.id)

    def reported(self, shipment: Shipment, report: Report) -> None:
        """Store what came of an attempt."""
        conclusion = conclude(shipment, report, self._circumstances())
        self._conclude(shipment, conclusion)
        self._comebacks.learn(shipment, report.answers, conclusion.settlements)

    def postponed(self, shipment: Shipment, answer: Answer, until: float) -> None:
        """Store that a shipment waits for its host."""
        share = self._calendar.place(shipment.place)
        due = self._calendar.book(share, len(shipment.deliveries), not_before=until)
        self._conclude(shipment, postpone(shipment, answer, due, self._circumstances()))

    # --- from messages to shipments -----------------------------------------------------------

    def _legs(self, message: Message, recipients: Sequence[Recipient]) -> dict[Leg, list[int]]:
        """Return the ways that a message has to go, and which recipients go which."""
        legs: dict[Leg, list[int]] = {}
        for index, recipient in enumerate(recipients):
            route = self._router.route(message, recipient)
            domain = recipient.address.wire_domain if route.via == DIRECT else ""
            source = str(route.source_address or self._source)
            doubt = Doubt(hold=route.uncertain == "hold", pause=route.uncertain_pause)
            legs.setdefault(Leg(route.via, source, domain, doubt=doubt), []).append(index)
        return legs

    def _place_of(self, leg: Leg) -> str:
        if leg.stopped:
            return DISCARD
        if leg.via == DIRECT:
            return self._direct.place_of(leg.domain, leg.source)
        name = upstream_of(leg.via)
        return leg.via if name is None else self._upstreams.place_of(name)

    def _shipments(
        self, claimed: Claimed, content: Content | None
    ) -> Iterator[tuple[Shipment, Leg]]:
        message, deliveries = claimed.message, claimed.deliveries
        legs = self._legs(message, [delivery.recipient for delivery in deliveries])
        stopped = self._comebacks.stopped(message, deliveries)
        for leg, indexes in divert(legs, stopped).items():
            going = tuple([deliveries[i] for i in indexes])
            shipment = Shipment(
                message=message,
                deliveries=going,
                via=leg.via,
                place=self._place_of(leg),
                doubt=leg.doubt,
                content=content,
                return_path=self._comebacks.path(message, going, leg.via),
                stopped=tuple([stopped[i] for i in indexes]) if leg.stopped else (),
            )
            yield shipment, leg

    def _go(self, shipment: Shipment, leg: Leg) -> None:
        if shipment.stopped:
            self._conclude(shipment, stop(shipment, self._circumstances()))
        elif leg.via == DIRECT:
            self._direct.submit(shipment, leg.domain, leg.source)
        elif leg.via in {CAPTURE, DISCARD}:
            self._conclude(shipment, put_away(shipment, self._circumstances()))
        else:
            self._upstreams.submit(shipment, upstream_of(leg.via) or "", leg.source)

    # --- from the queue -----------------------------------------------------------------------

    def _claimable(self) -> int:
        """Return how many deliveries to ask the queue for.

        A nearly full window would claim by ones: it waits until there is room for some.
        """
        self._tidy()
        window = self._calendar.window
        room = window - self.held
        return room if room > window // 8 and not self._draining else 0

    def _take(self, found: Sequence[Claimed]) -> int:
        """Send on what the queue has given; return how many deliveries had their turn."""
        taken = 0
        back: list[tuple[Shipment, Turned]] = []
        for claimed in found:
            if self._draining:
                self._give_back(claimed.deliveries)
                continue
            for shipment, leg in self._shipments(claimed, None):
                turned = self._calendar.turned_away(
                    shipment.message.account,
                    shipment.place,
                    bulk=shipment.message.lane == BULK,
                )
                if turned is None:
                    taken += len(shipment.deliveries)
                    self._enter(shipment)
                    self._go(shipment, leg)
                else:
                    back.append((shipment, turned))
        if back:
            self._set_back(back)
        return taken

    def _set_back(self, back: Sequence[tuple[Shipment, Turned]]) -> None:
        """Send shipments away until it is their turn, all in one transaction."""
        when = self._circumstances()
        settlements: list[Settlement] = []
        for shipment, turned in back:
            due = self._calendar.book(turned.share, len(shipment.deliveries))
            conclusion = set_back(shipment, turned.why, due, when)
            if conclusion.results:  # its time is over: somebody has to hear of it
                self._enter(shipment)
                self._conclude(shipment, conclusion)
            else:
                settlements.extend(conclusion.settlements)
        if settlements:
            self._returning += len(settlements)
            self._settling.settle(settlements, (), partial(self._returned, len(settlements)))

    def _tidy(self) -> None:
        now = self._clock()
        if now - self._tidied > TIDY_EVERY:
            self._tidied = now
            self._direct.tidy()
            self._calendar.tidy()

    # --- what came of them --------------------------------------------------------------------

    def _circumstances(self) -> Circumstances:
        queue = self._settings.queue
        return Circumstances(
            slot=self._slot,
            schedule=queue.retry,
            delay_notice=queue.delay_notice,
            now=self._clock(),
            jitter=2 * self._chance() - 1,
            catalogue=catalogue(),
        )

    def _conclude(self, shipment: Shipment, conclusion: Conclusion) -> None:
        self._settling.settle(
            conclusion.settlements,
            self._notices(shipment, conclusion.results),
            lambda: self._let_go(shipment, done=True),
        )

    def _notices(
        self, shipment: Shipment, results: Sequence[Result]
    ) -> Sequence[tuple[NewMessage, Notified]]:
        if not results:
            return ()
        try:
            return self._bounces.notices(
                shipment.message, lambda: self.content_of(shipment), results
            )
        except Exception as bug:  # noqa: BLE001 - what happened has to be written down all the same
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"no notice about {shipment.message.id}", "exception": bug}
            )
            return ()

    def _enter(self, shipment: Shipment) -> None:
        message = shipment.message
        self._calendar.enter(
            message.account,
            shipment.place,
            len(shipment.deliveries),
            bulk=message.lane == BULK,
        )

    def _let_go(self, shipment: Shipment, *, done: bool) -> None:
        """Take deliveries of one message out of the window."""
        message, count = shipment.message, len(shipment.deliveries)
        bulk = message.lane == BULK
        self._calendar.leave(message.account, shipment.place, count, bulk=bulk, done=done)
        fresh = self._fresh.get(message.id)
        if fresh is not None:
            fresh[1] -= count
            if fresh[1] <= 0:
                self._kept -= fresh[0]
                del self._fresh[message.id]
        self._has_room()

    def _hand_back_all(self, shipments: Sequence[Shipment]) -> None:
        for shipment in shipments:
            self._give_back(shipment.deliveries)
            self._let_go(shipment, done=False)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Release a claim without an attempt; if that fails, the claim ends with its lease."""
        self._returning += len(deliveries)

        def released(future: asyncio.Future[None] | None) -> None:
            if future is not None and not future.cancelled():
                future.exception()
            self._returned(len(deliveries))

        try:
            self._queue.give_back(self._slot, deliveries).add_done_callback(released)
        except StorageUnavailable:
            released(None)

    def _returned(self, count: int) -> None:
        self._returning -= count
        self._has_room()

    def _has_room(self) -> None:
        held = self.held
        if held <= self._calendar.window // 2:
            self._claiming.look_soon()
        if held <= 0:
            self._empty.set()

    async def _until_empty(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while self.held > 0:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return


def _surroundings(
    settings: Settings,
    calendar: Calendar,
    clock: Clock,
    disk: Executor | None,
    signer: Signer | None,
) -> Surroundings:
    delivery = settings.delivery
    timeouts = Timeouts(
        connect=delivery.connect_timeout,
        command=delivery.command_timeout,
        data=delivery.data_timeout,
    )
    return Surroundings(
        means=Means(timeouts=timeouts, clock=clock, disk=disk, converter=Converter(disk, signer)),
        schedule=settings.queue.retry,
        turnstile=Turnstile(delivery.attempts_at_once),
        calendar=calendar,
    )
