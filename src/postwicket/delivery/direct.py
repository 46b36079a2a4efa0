"""Straight to the recipient's exchangers: from a domain to a way, from a way to its site's pool.

What was found for a domain is kept for as long as its records live, so that the next shipment for
it costs a look into a dictionary.  What is not known is asked for once, however many shipments
wait for it.  A domain that takes no mail is an answer like any other, and an attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeAlias

from postwicket.core.envelope import NO_DEMANDS, Demands
from postwicket.core.reply import Reply
from postwicket.net.reach import Reach
from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.transport import Security
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.smtp.client.transcript import Transcript
from postwicket.storage.values import Message

from .destination import Destination, Exchanger
from .errand import rank
from .exchanger_host import ExchangerHost, Lately
from .pool import Consignor, Pool, Surroundings
from .shipment import SITE, Shipment, Told
from .sites import Site, Sites
from .way import Bounds, Way

MOST_KNOWN: Final = 20_000  # domains; one or two KiB each
MOST_SITES: Final = 10_000  # pools; some two KiB each
# Seconds until policies and TLSA records are looked at again, however long the MX records live.
AGREED_FOR: Final = 300.0
NO_WAY: Final = "no way"
DOUBT_FOR: Final = 15.0  # seconds that the same "we do not know" is told to who comes next

MISTAKEN: Final = Answer(
    Stage.ROUTE,
    Reply(451, (3, 0), "The way to this domain could not be found: a mistake of this server"),
    ours=True,
)

_Key: TypeAlias = tuple[str, str, Demands]  # domain, source address, what its mail demands
Finder: TypeAlias = Callable[[str], Coroutine[Any, Any, Destination | Answer]]
Guard: TypeAlias = Callable[[Destination, Exchanger, Demands], Awaitable[Security | Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """Who knows what direct delivery does not know itself.

    `find` says where mail for a domain goes, `secure` how safe a connection to an exchanger has
    to be for mail with such demands, `tls` how that is done, `sites` who shares a limit, `reach`
    where nobody may connect to.
    """

    hostname: str
    find: Finder
    secure: Guard
    tls: Callable[[Exchanger, Security], TlsPlan | None]
    sites: Sites
    reach: Reach


@dataclass(frozen=True, slots=True)
class _Route:
    """What is known of a domain: the way and its site, or why there is none."""

    found: tuple[Way, Site] | Answer
    until: float


@dataclass(slots=True)
class _Search:
    """A look-up under way, and who waits for it."""

    began: float
    waiting: list[Shipment] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Direct:
    """Direct delivery in one process."""

    def __init__(self, guide: Guide, around: Surroundings, consignor: Consignor) -> None:
        self._guide = guide
        self._around = around
        self._consignor = consignor
        self._clock = around.means.clock
        self._known: dict[_Key, _Route] = {}
        self._searches: dict[_Key, _Search] = {}
        self._pools: dict[str, Pool] = {}
        self._lately = Lately(self._clock)
        around.calendar.trust(NO_WAY)

    def submit(self, shipment: Shipment, domain: str, source: str) -> None:
        """Take a shipment to recipients of one domain (A-labels, or a literal in brackets)."""
        demands = tls_demands(shipment.message)
        key = (domain, source, demands)
        route = self._known.get(key)
        if route is not None and self._clock() < route.until:
            self._send(shipment, route.found)
            return
        search = self._searches.get(key)
        if search is None:
            search = self._searches[key] = _Search(self._clock())
            search.task = asyncio.get_running_loop().create_task(self._search(key))
        search.waiting.append(shipment)

    def place_of(self, domain: str, source: str) -> str:
        """Return the name of the site that a domain is known to belong to, or of the domain.

        What is known to have no way is concluded at once, and needs no place of its own.
        """
        route = self._known.get((domain, source, NO_DEMANDS))
        if route is None:
            return f"domain {domain}"
        if not isinstance(route.found, Answer):
            return place_of(route.found[1])
        return NO_WAY if self._clock() < route.until else f"domain {domain}"

    def pools(self) -> Iterator[Pool]:
        """Return the pools of all sites that are known now."""
        return iter(list(self._pools.values()))

    def withdraw(self) -> list[Shipment]:
        """Hand back what has not begun."""
        back = [one for search in self._searches.values() for one in search.waiting]
        for search in self._searches.values():
            search.waiting.clear()
        for pool in self._pools.values():
            back.extend(pool.withdraw())
        return back

    def close(self) -> list[Shipment]:
        """Hang up everywhere; return what is known not to have arrived."""
        back = self.withdraw()
        for search in self._searches.values():
            if search.task is not None:
                search.task.cancel()
        for pool in self._pools.values():
            back.extend(pool.close())
        return back

    def rest(self) -> None:
        """Say goodbye on every idle connection."""
        for pool in self._pools.values():
            pool.rest()

    def tidy(self) -> None:
        """Forget sites and domains that nobody has written to for a while."""
        now = self._clock()
        self._forget([name for name, pool in self._pools.items() if pool.forgettable(now)])
        for key in [key for key, route in self._known.items() if route.until <= now]:
            del self._known[key]

    # --- inside ---------------------------------------------------------------------------

    def _send(self, shipment: Shipment, found: tuple[Way, Site] | Answer) -> None:
        if isinstance(found, Answer):
            now = self._clock()
            transcript = Transcript(now)
            transcript.remark(now, str(found))
            answers = (found,) * len(shipment.deliveries)
            self._consignor.reported(shipment, Told(transcript, now).report(answers, now))
            return
        way, site = found
        pool = self._pool_of(site)
        if shipment.place != pool.name:
            count = len(shipment.deliveries)
            self._around.calendar.move(shipment.place, pool.name, count)
        pool.submit(replace(shipment, way=way, place=pool.name))

    def _pool_of(self, site: Site) -> Pool:
        pool = self._pools.get(site.name)
        if pool is None:
            if len(self._pools) >= MOST_SITES:
                # What was learnt of them is learnt again; what they are doing goes on.
                self._forget([name for name, one in self._pools.items() if one.empty])
            bounds = Bounds(rule=site.rule, idle=site.idle)
            pool = Pool(place_of(site), bounds, self._around, self._consignor)
            self._pools[site.name] = pool
        return pool

    def _forget(self, names: list[str]) -> None:
        for name in names:
            self._around.calendar.forget(self._pools.pop(name).name)

    async def _search(self, key: _Key) -> None:
        """Find the way to a domain, and send on who waits for it."""
        search = self._searches[key]
        try:
            # No limit here: who looks something up has one, and domains about which nobody
            # answers must not keep the others waiting.  The window bounds all of them.
            route = await self._find(*key)
        except Exception as bug:  # noqa: BLE001 - whatever it is, who waits must hear of it
            _report(f"the way to {key[0]} could not be found", bug)
            route = _Route(MISTAKEN, self._clock() + DOUBT_FOR)
        finally:
            del self._searches[key]
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = route
        for shipment in search.waiting:
            try:
                self._send(shipment, route.found)
            except Exception as bug:  # noqa: BLE001 - one shipment's bug is not its neighbours'
                _report(f"message {shipment.message.id} could not be sent on", bug)

    async def _find(self, domain: str, source: str, demands: Demands) -> _Route:
        guide = self._guide
        destination = await guide.find(domain)
        if isinstance(destination, Answer):
            return _Route(destination, self._clock() + DOUBT_FOR)
        secured = await asyncio.gather(
            *(guide.secure(destination, one, demands) for one in destination.exchangers)
        )
        hosts: list[tuple[int, ExchangerHost]] = []
        notes = list(destination.left_out)
        refusals = []
        for exchanger, security in zip(destination.exchangers, secured, strict=True):
            if isinstance(security, Answer):
                refusals.append(security)
                notes.append(f"{exchanger.name} is not tried: {security}")
            else:
                hosts.append((exchanger.preference, self._host(exchanger, security)))
        if not hosts:
            # What may be otherwise tomorrow counts for more than what never will.
            answer = min(refusals, key=lambda no: (_is_final(no), rank(no)))
            return _Route(answer, self._clock() + DOUBT_FOR)
        way = _way(hosts, source, tuple(notes))
        names = [(one.preference, one.name) for one in destination.exchangers]
        now = self._clock()
        known = min(destination.until, *(host.security.until for _, host in hosts))
        until = min(max(known, now + 1), now + AGREED_FOR)
        return _Route((way, guide.sites.of(domain, names)), until)

    def _host(self, exchanger: Exchanger, security: Security) -> ExchangerHost:
        return ExchangerHost(
            exchanger,
            security,
            hostname=self._guide.hostname,
            tls=partial(self._guide.tls, exchanger),
            lately=self._lately,
            reach=self._guide.reach,
        )


def _report(what: str, bug: Exception) -> None:
    context = {"message": what, "exception": bug}
    asyncio.get_running_loop().call_exception_handler(context)


def tls_demands(message: Message) -> Demands:
    """Return what a message demands of TLS, and nothing else: that is what ways differ by."""
    demands = message.demands
    if not (demands.require_tls or demands.tls_optional):
        return NO_DEMANDS
    return Demands(require_tls=demands.require_tls, tls_optional=demands.tls_optional)


def _is_final(answer: Answer) -> bool:
    return answer.reply is not None and not answer.reply.temporary


def place_of(site: Site) -> str:
    """Return what the share of a site is counted under, and what people read."""
    return SITE + site.name


def _way(hosts: list[tuple[int, ExchangerHost]], source: str, notes: tuple[str, ...]) -> Way:
    key = (frozenset((host.name, host.security.demand) for _, host in hosts), source)
    groups = groupby(hosts, key=lambda one: one[0])
    return Way(key, tuple(tuple(host for _, host in group) for _, group in groups), source, notes)
