"""Delivery to many places that only Postwicket runs: dead ones among them, and mail that waits."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import cases
from bench.alone import fill
from bench.cases import OURS, Case
from bench.compare import Step, folder_for
from bench.load import generate, load_for, round_of
from bench.measure import memory
from bench.peers.postwicket import Installation, command, install
from bench.peers.server import HOST, Mode, Server
from bench.peers.sink import Counter
from bench.results import Outcome, Sample, Verdict
from tests.lab.validator import Validator
from tests.lab.zones import ROOT, SILENT, Zones

_MEGABYTE: Final = 1_000_000
_EACH: Final = 10  # messages to each living domain in a round, and to each dead one in all
_LISTS: Final = 200  # names that are put into the zone at a time
_HEAD_START: Final = 10.0  # seconds for what is dead to take what it can get
# Where the dead ones are: nobody listens there; connections are not answered; nobody greets.
_REFUSING, _SWALLOWING, _MUTE = "127.9.9.1", "127.9.9.2", "127.9.9.3"
_RETRY: Final = '\n[queue]\nretry = ["30s"]\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Towns:
    """Recipients at the living domains and at the dead ones, and where to find them."""

    living: tuple[str, ...]
    dead: tuple[str, ...]
    resolver: str


def dead_sites(*, runs: int, scale: float, step: Step) -> Outcome:
    """Deliver to the living, without mail for the dead and with it; the same server, in turn.

    A quarter of the dead refuses connections, a quarter swallows them, a quarter takes them and
    says nothing, and of a quarter even the name servers are silent.  Their mail is there first.
    """
    sites = max(int(cases.SITES * scale), 40)
    outcome = Outcome(
        key=cases.DEAD_SITES,
        title=f"{sites:,} destination domains, {cases.DEAD:.0%} of them dead",
    )
    with ExitStack() as parts:
        folder = parts.enter_context(folder_for("sites"))
        sink = Counter(folder)
        parts.callback(sink.stop)
        step("dead-sites: their names are published")
        towns = _publish(sites, folder / "names", parts)
        parts.enter_context(_graves(sink.port))
        sink.resolver = towns.resolver
        made = install(Mode.DIRECT, parts.enter_context(folder_for(OURS)), sink, more=_RETRY)
        server = made.serve()
        parts.callback(server.stop)
        case = Case(
            key=cases.DEAD_SITES,
            title="",
            count=len(towns.living) * _EACH,
            per_connection=10,
            recipients=towns.living,
        )
        round_of(case, server, len(towns.living), sink)  # every living site has been met
        without = _rounds(case, server, sink, runs, step, "without")
        before = memory(server.pid).pss
        step("dead-sites: mail for the dead comes in")
        dead = replace(case, recipients=towns.dead)
        posted = generate(load_for(dead, server, len(towns.dead) * _EACH))
        outcome.errors.extend(posted.errors)
        time.sleep(_HEAD_START)
        with_them = _rounds(case, server, sink, 1, step, "with")
        known = memory(server.pid).pss  # with the pools and open connections of the dead sites
        with_them += _rounds(case, server, sink, runs, step, "with, on")
        after = memory(server.pid).pss
    _keep(outcome, "without", without)
    _keep(outcome, "with", with_them)
    outcome.figures["messages for dead ones"] = posted.accepted
    rate = _rate_of(outcome, "with") / _rate_of(outcome, "without")
    outcome.verdicts.extend(
        (
            _verdict(outcome, "messages/s to living ones", rate, cases.DEAD_RATE, "x", most=False),
            _verdict(
                outcome,
                "growth (PSS) with mail for dead ones",
                (after - before) / _MEGABYTE,
                cases.DEAD_MEGABYTES,
                " MB",
            ),
            _verdict(
                outcome,
                "growth (PSS) while mail for dead ones is tried again and again",
                (after - known) / _MEGABYTE,
                cases.DEAD_MEGABYTES_LATER,
                " MB",
            ),
        )
    )
    return outcome


def deferred(*, runs: int, scale: float, step: Step) -> Outcome:
    """Start, list the first page, and pass on a new message, beside a queue that waits."""
    count = max(int(cases.DEFERRED_DELIVERIES * scale), 100)
    outcome = Outcome(key=cases.DEFERRED, title=f"{count:,} deferred deliveries")
    with ExitStack() as parts:
        folder = parts.enter_context(folder_for(OURS))
        sink = Counter(folder)
        parts.callback(sink.stop)
        made = install(Mode.RELAY, folder, sink)
        step(f"deferred: {count:,} deliveries are put into the database")
        outcome.figures["filled in s"] = fill(made, count)
        step("deferred: it starts")
        server = made.serve()
        parts.callback(server.stop)
        lists, news = [], []
        for number in range(1, runs + 1):
            step(f"deferred: list and send, {number} of {runs}")
            lists.append(_list(made))
            news.append(_send_one(server, sink, outcome))
        outcome.figures["RSS MB"] = memory(server.pid).rss / _MEGABYTE
    limit = cases.DEFERRED_SECONDS
    for what, seconds in (
        ("from start to the first greeting", server.start_seconds),
        ("`queue list`, first page, the slowest", max(lists)),
        ("a new message, from its connection until it has arrived, the slowest", max(news)),
    ):
        outcome.verdicts.append(_verdict(outcome, what, seconds, limit, " s"))
    return outcome


def _list(made: Installation) -> float:
    began = time.perf_counter()
    command("queue", "list", "--json", config=made.folder / "postwicket.toml")
    return time.perf_counter() - began


def _send_one(server: Server, sink: Counter, outcome: Outcome) -> float:
    """Send one message; return how long it took from the client's connect to the far end."""
    case = Case(key="one", title="", count=1)
    load = replace(load_for(case, server, 1), sessions=1)
    before = sink.messages
    result = generate(load)
    outcome.errors.extend(result.errors)
    taken = time.perf_counter()
    if not sink.wait_for(before + 1, limit=15):
        outcome.errors.append("a new message did not arrive")
    # The generator is a process that starts and ends: what counts is what it measured itself.
    return result.seconds + max(sink.last - taken, 0.0)


# --- names and graves -----------------------------------------------------------------------


def _publish(sites: int, folder: Path, parts: ExitStack) -> _Towns:
    """Give every domain an exchanger; the dead ones are spread among the living."""
    zones = Zones(folder / "zones")
    parts.callback(zones.stop)
    zones.start()
    validator = Validator(folder / "validator", zones, memory=True)
    parts.callback(validator.stop)
    validator.start()
    graves = (_REFUSING, _SWALLOWING, _MUTE)
    nameless = int(sites * cases.DEAD) // (len(graves) + 1)
    buried = int(sites * cases.DEAD) - nameless
    living, gone = [], [f"r@d{number}.{SILENT}" for number in range(nameless)]
    wanted: dict[tuple[str, str], tuple[str, ...]] = {}
    for number in range(sites - nameless):
        domain = f"d{number}.{ROOT}"
        is_dead = number < buried
        address = graves[number % len(graves)] if is_dead else HOST
        wanted[domain, "MX"] = (f"10 mx.{domain}.",)
        wanted[f"mx.{domain}", "A"] = (address,)
        if is_dead:
            gone.append(f"r@{domain}")
        else:
            living.append(f"r@{domain}")
        if len(wanted) >= _LISTS:
            zones.add_all(wanted)
            wanted = {}
    if wanted:
        zones.add_all(wanted)
    return _Towns(living=tuple(living), dead=tuple(gone), resolver=validator.address)


@contextmanager
def _graves(port: int) -> Iterator[None]:
    """Hold addresses at which connections are swallowed, and taken without ever a word."""
    with ExitStack() as sockets:
        swallowing = sockets.enter_context(socket.create_server((_SWALLOWING, port), backlog=0))
        # A listener with a full queue drops what else comes, as a firewall does.
        for _ in range(2):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003  (the call has no keyword)
            filler.connect_ex(swallowing.getsockname())
        sockets.enter_context(socket.create_server((_MUTE, port), backlog=4096))
        yield


def _rounds(
    case: Case, server: Server, sink: Counter, runs: int, step: Step, when: str
) -> list[Sample]:
    found = []
    for number in range(1, runs + 1):
        step(f"dead-sites: {when}, round {number} of {runs}")
        found.append(round_of(case, server, case.count, sink))
    return found


def _keep(outcome: Outcome, name: str, samples: list[Sample]) -> None:
    outcome.samples.extend(replace(sample, peer=f"{OURS}, {name}") for sample in samples)


def _rate_of(outcome: Outcome, name: str) -> float:
    return outcome.median(f"{OURS}, {name}", lambda sample: sample.rate)


def _verdict(
    outcome: Outcome, what: str, value: float, target: float, unit: str, *, most: bool = True
) -> Verdict:
    return Verdict(
        what=what,
        value=value,
        target=target,
        at_least=not most,
        unit=unit,
        valid=outcome.valid,
    )
