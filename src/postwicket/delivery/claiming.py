"""Asking the queue for what is due: once a second at least, at once while there is more.

Nothing starts more than a second late, and `queue retry` in another process is seen.  Where most
of what came had to go back, the next question waits a little: a long queue for places that take
no more must not keep the database busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from postwicket.core.clock import Clock
from postwicket.storage.interfaces import Queue, StorageUnavailable
from postwicket.storage.values import Claimed

LEASE: Final = 1800.0  # seconds: longer than any attempt may take
RENEW_EVERY: Final = 120.0  # seconds
POLL_EVERY: Final = 1.0  # seconds: the most that anything due is late
MORE_AFTER: Final = 0.01  # seconds, where there may be more
CLOCK_STEP: Final = 0.002  # seconds: a timer may fire so much before its time
IN_VAIN: Final = 0.1  # seconds, where most had to go back


class Claiming:
    """The claims of one process.

    `room` says how many deliveries may be claimed now (a few are not worth a question), `take`
    gets them and returns how many of them stay.
    """

    def __init__(
        self,
        queue: Queue,
        slot: int,
        clock: Clock,
        *,
        room: Callable[[], int],
        take: Callable[[Sequence[Claimed]], int],
        held: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._slot = slot
        self._clock = clock
        self._room = room
        self._take = take
        self._held = held
        self._loop = asyncio.get_running_loop()
        self.more = False  # the last question brought something: there may be more
        self._claiming = False
        self._stopped = False
        self._renewed = clock()
        self._not_before = 0.0  # loop time
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look for what is due."""
        self._poll()

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def look_soon(self) -> None:
        """Look before the second has passed: there is room again."""
        if self.more and not self._stopped and not self._claiming:
            self._look_in(MORE_AFTER)

    # --- inside -------------------------------------------------------------------------------

    def _poll(self) -> None:
        """Claim what is due, if there is room; look again in a second or when something is."""
        if self._stopped:
            return
        now = self._clock()
        pause = POLL_EVERY
        try:
            self._renew(now)
            room = self._room()
            early = self._not_before - self._loop.time()
            if early > CLOCK_STEP:
                pause = early
            elif room > 0 and not self._claiming:
                due = self._queue.next_due()
                if due is not None and due <= now:
                    self._claim(now, room)
                elif due is not None:
                    pause = min(POLL_EVERY, max(MORE_AFTER, due - now))
        except StorageUnavailable:
            pause = POLL_EVERY
        finally:  # whatever went wrong: a worker that does not look any more is dead
            self._timer = self._loop.call_later(pause, self._poll)

    def _claim(self, now: float, room: int) -> None:
        future = self._queue.claim(self._slot, now=now, lease_until=now + LEASE, limit=room)
        self._claiming = True
        future.add_done_callback(self._claimed)

    def _claimed(self, future: asyncio.Future[list[Claimed]]) -> None:
        self._claiming = False
        if future.cancelled() or future.exception() is not None:
            return  # asked again within a second
        found = future.result()
        self.more = bool(found)
        if not found:
            return
        count = sum([len(claimed.deliveries) for claimed in found])
        in_vain = self._take(found) * 2 < count
        if in_vain:
            self._not_before = self._loop.time() + IN_VAIN
        # There may be more: do not wait for the second to pass.
        self._look_in(IN_VAIN if in_vain else MORE_AFTER)

    def _look_in(self, seconds: float) -> None:
        if self._stopped:
            return
        at = max(self._loop.time() + seconds, self._not_before)
        if self._timer is not None:
            if self._timer.when() <= at and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._poll)

    def _renew(self, now: float) -> None:
        if self._held() and now - self._renewed >= RENEW_EVERY:
            self._renewed = now
            future = self._queue.renew(self._slot, lease_until=now + LEASE)
            future.add_done_callback(lambda f: f.cancelled() or f.exception())
