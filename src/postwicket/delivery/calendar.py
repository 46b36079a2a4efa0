"""Who may be in the window, and when those come that may not.

The window is what a worker has in memory; the queue is everything else, however long.  Nobody may
fill the window: a place, an account or the bulk lane may hold as much as is still free, times a
factor (dynamic thresholds, Choudhury and Hahne 1998), so that there is always room for who comes
next, however many are greedy.  More bounds keep slow places from holding much.  Who takes mail may
hold what it took in half a minute.  Of whom nobody knows whether it takes any, one or two
deliveries are tried; all those together hold at most half of the window, and those that have
failed before an eighth.

Who may not be in now is given the time at which its turn is thought to come, and goes back to the
queue for that long: that costs a row and no attempt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from postwicket.core.clock import Clock
from postwicket.policy.pace import Flow

from .pacing import Pacing

UNPROVEN: Final = 2  # deliveries that are tried where nobody knows; one where there are many such
FIRST: Final = 16  # deliveries that a place may hold before it has shown what it takes
HALF_MINUTE: Final = 30.0  # seconds
HOPE: Final = 2.0
SLOT: Final = 0.25  # seconds: who comes at about the same time comes in one batch
FIRST_TRIAL: Final = 1.0  # seconds until it is looked whether a place takes mail, growing to
LONGEST_TRIAL: Final = 30.0
LONGEST: Final = 600.0  # seconds: nobody is away for longer without having been looked at
UNKNOWN_RATE: Final = 200.0  # deliveries a second, assumed of a site that has not shown its rate
QUICK_RATE: Final = 500.0  # the same of an upstream, an account, the bulk lane
FAILED_RATE: Final = 50.0  # the same of a site that takes no mail now
SLOWEST_RATE: Final = 5.0  # deliveries a second, hoped for of anybody without a limit
ACCOUNT: Final = 2.0  # times what is free
UPSTREAM: Final = 4.0
# Fresh mail leaves a quarter to what is in the queue already and has been sent away before.
FRESH: Final = 0.75


class Share:
    """What one place, account or lane has of the window."""

    __slots__ = (
        "_flow",
        "booked",
        "failed",
        "held",
        "name",
        "pacing",
        "place",
        "proven",
        "since",
        "trusted",
    )

    def __init__(self, name: str, *, place: bool = False) -> None:
        self.name = name
        self.place = place
        self.held = 0
        self.booked = 0.0  # when the next one comes that is sent away
        self.proven = False
        self.failed = False  # the last thing heard from it was that it takes none
        self.since = 0.0  # since when somebody waits for news from it; 0 while nobody does
        self.trusted = False  # an upstream, or what stays here: bounded by what is free only
        self.pacing: Pacing | None = None  # of a place
        self._flow = Flow()

    def passed(self, count: int, now: float) -> None:
        """Note that so many are done with."""
        self._flow = self._flow.add(count, now)

    def lately(self, now: float) -> float:
        """Return how many are done with in half a minute, at the present rate."""
        return self._flow.per_second(now) * HALF_MINUTE

    def rate(self, now: float) -> float:
        """Return how many may pass in a second, as far as anybody knows, and hopefully.

        Who comes too early is sent away once more; a place that has nothing to do because its
        mail comes too late is a waste.  So twice the present rate is assumed, and what is done
        with in a short time says nothing yet.
        """
        limit = self.pacing.limit(now) if self.pacing is not None else None
        if limit is not None:
            return limit
        if self.failed:
            return FAILED_RATE
        hoped = UNKNOWN_RATE if self.place and not self.trusted else QUICK_RATE
        if not self.proven or self._flow.stale(now) or now - self._flow.since < 2.0:
            return hoped
        headroom = self.pacing.headroom() if self.pacing is not None else 1.0
        rate = HOPE * headroom * self._flow.per_second(now)
        return max(QUICK_RATE if self.trusted else SLOWEST_RATE, rate)

    def idle(self, now: float) -> bool:
        """Say whether there is nothing to remember."""
        quiet = self.held == 0 and self.booked <= now
        return quiet and self.pacing is None and not self.trusted


@dataclass(frozen=True, slots=True)
class Turned:
    """Somebody was sent away: because of which share, and why, in words."""

    share: Share
    why: str


class Calendar:
    """The window of one process.  `chance` is from 0 to 1, for jitter."""

    def __init__(self, window: int, clock: Clock, chance: Callable[[], float]) -> None:
        self.window = window
        self.held = 0
        self._clock = clock
        self._chance = chance
        self._failed = 0  # deliveries held by places that took none when they were last tried
        self._unproven = 0  # deliveries held by places that have not shown that they take mail
        self._places: dict[str, Share] = {}
        self._accounts: dict[str, Share] = {}
        self._bulk = Share("bulk mail")
        self._bulk.proven = True

    # --- places -------------------------------------------------------------------------------

    def place(self, name: str) -> Share:
        """Return the share of a place that takes mail."""
        share = self._places.get(name)
        if share is None:
            share = self._places[name] = Share(name, place=True)
        return share

    def trust(self, name: str) -> None:
        """Let a place hold what is free: an upstream, or what stays here."""
        share = self.place(name)
        share.trusted = share.proven = True

    def prove(self, share: Share, *, proven: bool) -> None:
        """Learn whether a place takes mail."""
        if share.trusted:
            return
        held = share.held
        self._count(share, -held)
        share.proven, share.failed = proven, not proven
        if proven:
            share.since = 0.0
            share.booked = min(share.booked, self._clock())
        self._count(share, held)

    def tidy(self) -> None:
        """Forget who has nothing here."""
        now = self._clock()
        for shares in (self._places, self._accounts):
            for name in [name for name, share in shares.items() if share.idle(now)]:
                del shares[name]

    def forget(self, name: str) -> None:
        """Forget a place whose pool is gone."""
        share = self._places.get(name)
        if share is not None:
            share.pacing = None

    # --- who is in ----------------------------------------------------------------------------

    def turned_away(
        self, account: str, place: str, *, bulk: bool, fresh: bool = False
    ) -> Turned | None:
        """Say why one more may not come in, or None."""
        now = self._clock()
        free = self.window - self.held
        at = self.place(place)
        owner = self._account(account)
        if free <= 0:
            return Turned(at, "all that may be under way in this worker is under way")
        if at.held >= self._room_of(at, free, now) * _part(at, now, fresh=fresh):
            return Turned(at, self._why(at, now))
        if owner.held >= ACCOUNT * free * _part(owner, now, fresh=fresh):
            return Turned(
                owner,
                f"account {account or 'of this server'}: {owner.held:,} of its deliveries are "
                "under way, which is its share while there are others",
            )
        if bulk and self._bulk.held >= free * _part(self._bulk, now, fresh=fresh):
            return Turned(
                self._bulk,
                f"bulk mail: {self._bulk.held:,} deliveries are under way, which is its share; "
                "transactional mail goes first",
            )
        return None

    def enter(self, account: str, place: str, count: int, *, bulk: bool) -> None:
        """Count deliveries that come in."""
        self.held += count
        self._count(self.place(place), count)
        self._account(account).held += count
        if bulk:
            self._bulk.held += count

    def leave(self, account: str, place: str, count: int, *, bulk: bool, done: bool) -> None:
        """Count deliveries that leave; `done` if it was their turn."""
        now = self._clock()
        self.held -= count
        at, owner = self.place(place), self._account(account)
        self._count(at, -count)
        owner.held -= count
        shares = [at, owner]
        if bulk:
            self._bulk.held -= count
            shares.append(self._bulk)
        if done:
            for share in shares:
                share.passed(count, now)

    def move(self, old: str, new: str, count: int) -> None:
        """Count deliveries at another place: the one that was found for them."""
        self._count(self.place(old), -count)
        self._count(self.place(new), count)

    def book(self, share: Share, count: int, *, not_before: float = 0.0) -> float:
        """Return when the turn of so many may come, and keep that time for them."""
        now = self._clock()
        rate = share.rate(now)
        start = max(share.booked, now + share.held / rate, not_before)
        if not share.proven:
            # Nothing is known before there is news: as long again as it has been waited for.
            share.since = share.since or now
            start = max(start, now + min(LONGEST_TRIAL, max(FIRST_TRIAL, now - share.since)))
        last = max(now, not_before) + LONGEST
        share.booked = min(start + count / rate, last)
        if start >= last:
            start = last - self._chance() * LONGEST / 2
        slot = math.ldexp(SLOT, max(0, math.frexp((start - now) / 20)[1]))
        return math.ceil(start / slot) * slot

    # --- inside -------------------------------------------------------------------------------

    def _account(self, name: str) -> Share:
        share = self._accounts.get(name)
        if share is None:
            share = self._accounts[name] = Share(name)
            share.proven = True
        return share

    def _count(self, place: Share, count: int) -> None:
        place.held += count
        if not place.proven:
            self._unproven += count
            if place.failed:
                self._failed += count

    def _room_of(self, at: Share, free: int, now: float) -> float:
        """Return how much a place may hold."""
        if at.trusted:
            return UPSTREAM * free
        if not at.proven:
            return self._trial_of(at)
        return min(free, FIRST + at.lately(now))

    def _trial_of(self, at: Share) -> int:
        """Return how much a place may hold of which nobody knows whether it takes mail."""
        if self._unproven >= self.window / 2 or (at.failed and self._failed >= self.window / 8):
            return 0
        few = self._unproven < self.window / 4 and not at.failed
        return UNPROVEN if few else 1

    def _why(self, at: Share, now: float) -> str:
        if at.failed:
            return (
                f"{at.name}: let nobody in when it was last tried; a few deliveries find out "
                "whether it does again, and then all go"
            )
        if not at.proven:
            return (
                f"{at.name}: not known yet to take mail, so only a few deliveries are tried; the "
                "others go as soon as one of them has an answer"
            )
        before = round(at.held + max(0.0, at.booked - now) * at.rate(now))
        pace = f"{at.pacing.words(now)}; " if at.pacing else ""
        return f"{at.name}: {pace}about {before:,} deliveries are before this one"


def _part(share: Share, now: float, *, fresh: bool) -> float:
    return FRESH if fresh and share.booked > now else 1.0
