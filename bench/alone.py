"""The tests that only Postwicket runs: many idle clients, large messages, a long queue."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import IO, Final

from bench import cases
from bench.cases import OURS, WARM_UP, Case
from bench.compare import Step, folder_for
from bench.load import ended, generate, load_for, round_of
from bench.measure import Peak, cpu_seconds, memory
from bench.peers.postwicket import Installation, install
from bench.peers.server import ROOT, Mode, Server
from bench.results import Outcome, Sample, Verdict

_RATE: Final = Case(key="rate", title="", count=5000, per_connection=10)
_HOLDERS: Final = 4  # processes that hold idle connections; 2,500 descriptors each
_MEGABYTE: Final = 1_000_000


def idle(*, runs: int, scale: float, step: Step) -> Outcome:
    """Hold signed-in TLS connections: what each takes, and whether the rest is as quick as before.

    The rate is taken before, with and after them, so that a machine that changes its pace
    meanwhile does not look like the server's doing.
    """
    count = max(int(cases.IDLE_CONNECTIONS * scale), _HOLDERS)
    outcome = Outcome(key=cases.IDLE, title=f"{count:,} idle TLS connections, signed in")
    with _postwicket() as server:
        _warm_up(server)
        without = _rates(server, runs, scale, step, "before")
        before = memory(server.pid)
        step(f"idle: {count:,} clients connect")
        began = time.perf_counter()
        with _idle_clients(server, count, outcome):
            outcome.figures["connections/s"] = count / (time.perf_counter() - began)
            time.sleep(1.0)
            during = memory(server.pid)
            used = cpu_seconds(server.pid)
            time.sleep(2.0)
            outcome.figures["CPU % while idle"] = (cpu_seconds(server.pid) - used) / 2 * 100
            with_them = _rates(server, runs, scale, step, "with them")
        time.sleep(2.0)
        left = memory(server.pid).pss - before.pss
        outcome.figures["PSS KiB each, after they left"] = left / count / 1024
        without += _rates(server, runs, scale, step, "after")
    _keep(outcome, "without", without)
    _keep(outcome, "with", with_them)
    slower = 100 * (
        1 - outcome.median(f"{OURS}, with", _rate) / outcome.median(f"{OURS}, without", _rate)
    )
    outcome.figures["RSS KiB each"] = (during.rss - before.rss) / count / 1024
    verdicts = [
        Verdict(
            what="memory (PSS) of one idle connection",
            value=(during.pss - before.pss) / count / 1024,
            target=cases.IDLE_OCTETS_EACH / 1024,
            at_least=False,
            unit=" KiB",
            valid=outcome.valid,
        ),
        Verdict(
            what="slow-down of accepting",
            value=slower,
            target=cases.IDLE_SLOWDOWN,
            at_least=False,
            unit=" %",
            valid=outcome.valid,
        ),
    ]
    outcome.verdicts.extend(verdicts)
    return outcome


def large(*, scale: float, step: Step) -> Outcome:
    """Take twenty large messages at a time: how much more memory than idle that is at most."""
    size = max(int(cases.LARGE_OCTETS * min(scale, 1.0)), 1_000_000)
    title = f"{cases.LARGE_AT_ONCE} x {size / _MEGABYTE:.0f} MB at a time"
    outcome = Outcome(key=cases.LARGE, title=f"{title}, STARTTLS + AUTH")
    with _postwicket() as server:
        _warm_up(server)
        case = Case(key=cases.LARGE, title="", count=cases.LARGE_AT_ONCE, door="starttls")
        load = replace(load_for(case, server, case.count), size=size, timeout=300.0)
        before, used = memory(server.pid), cpu_seconds(server.pid)
        step(f"large: {title}")
        with Peak(server.pid) as peak:
            result = generate(load)
        used = cpu_seconds(server.pid) - used
    sample = Sample(
        peer=OURS,
        accepted=result.accepted,
        seconds=result.seconds,
        cpu_seconds=used,
        generator_cpu_seconds=result.cpu_seconds,
        memory=peak.highest,
        p50=result.p50,
        p99=result.p99,
        errors=result.errors,
    )
    outcome.samples.append(sample)
    outcome.figures["MB/s"] = size * result.accepted / result.seconds / _MEGABYTE
    over = {"PSS": peak.highest.pss - before.pss, "RSS": peak.highest.rss - before.rss}
    outcome.verdicts.extend(
        Verdict(
            what=f"peak {kind} over idle, all processes",
            value=octets / _MEGABYTE,
            target=cases.LARGE_MEGABYTES,
            at_least=False,
            unit=" MB",
            valid=outcome.valid,
        )
        for kind, octets in over.items()
    )
    return outcome


def backlog(*, runs: int, scale: float, step: Step) -> Outcome:
    """Accept beside a long queue of deferred mail, in turn with a server whose queue is empty."""
    count = max(int(cases.BACKLOG_MESSAGES * scale), 100)
    outcome = Outcome(key=cases.BACKLOG, title=f"{count:,} deferred messages in the queue")
    with ExitStack() as running:
        full = running.enter_context(_installation())
        step(f"backlog: {count:,} messages are put into the database")
        outcome.figures["filled in s"] = fill(full, count)
        servers = []
        for name, made in (("full", full), ("empty", running.enter_context(_installation()))):
            step(f"backlog: the {name} one starts")
            server = made.serve()
            running.callback(server.stop)
            outcome.figures[f"start {name} s"] = server.start_seconds
            _warm_up(server)
            servers.append((name, server))
        for _ in range(runs):
            for name, server in servers:
                _keep(outcome, name, _rates(server, 1, scale, step, name))
    ratio = outcome.median(f"{OURS}, full", _rate) / outcome.median(f"{OURS}, empty", _rate)
    verdicts = [
        Verdict(
            what="messages/s, against the empty queue",
            value=ratio,
            target=cases.BACKLOG_RATE,
            at_least=True,
            unit="x",
            valid=outcome.valid,
        ),
        Verdict(
            what="from start to the first greeting",
            value=outcome.figures["start full s"],
            target=cases.BACKLOG_START,
            at_least=False,
            unit=" s",
            valid=outcome.valid,
        ),
    ]
    outcome.verdicts.extend(verdicts)
    return outcome


@contextmanager
def _installation() -> Iterator[Installation]:
    with folder_for(OURS) as folder:
        yield install(Mode.KEEP, folder)


@contextmanager
def _postwicket() -> Iterator[Server]:
    with _installation() as made:
        server = made.serve()
        try:
            yield server
        finally:
            server.stop()


def _warm_up(server: Server) -> None:
    round_of(_RATE, server, WARM_UP, None)


def _rates(server: Server, runs: int, scale: float, step: Step, when: str) -> list[Sample]:
    found = []
    for number in range(1, runs + 1):
        step(f"accepting, {when}, round {number} of {runs}")
        found.append(round_of(_RATE, server, max(int(_RATE.count * scale), 10), None))
    return found


def _rate(sample: Sample) -> float:
    return sample.rate


def _keep(outcome: Outcome, name: str, samples: list[Sample]) -> None:
    outcome.samples.extend(replace(sample, peer=f"{OURS}, {name}") for sample in samples)


@contextmanager
def _idle_clients(server: Server, count: int, outcome: Outcome) -> Iterator[None]:
    """Hold `count` connections, from several addresses; note those that did not last."""
    case = Case(key=cases.IDLE, title="", count=0, door="implicit")
    load = replace(load_for(case, server, 0), timeout=60.0)
    with ExitStack() as running:
        holders = []
        for number in range(_HOLDERS):
            share = count // _HOLDERS + (number < count % _HOLDERS)
            source = f"127.0.0.{number + 2}"
            holder = running.enter_context(
                ended(
                    subprocess.Popen(
                        [sys.executable, "-m", "bench.idle"],
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        start_new_session=True,
                    )
                )
            )
            to, back = _pipes(holder)
            asked = {"load": asdict(load), "count": share, "source": source}
            to.write(json.dumps(asked).encode() + b"\n")
            to.flush()
            holders.append((share, to, back))
        for share, _, back in holders:
            told = json.loads(back.readline())
            if told["open"] != share:
                outcome.errors.append(f"{told['open']} of {share} opened: {told['error']}")
        yield
        for share, to, back in holders:
            to.close()
            alive = json.loads(back.readline())["alive"]
            if alive != share:
                outcome.errors.append(f"{alive} of {share} were alive at the end")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a client has no pipes")
    return process.stdin, process.stdout


def fill(made: Installation, count: int) -> float:
    """Fill the queue in a process of its own; return how long it took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "bench.backlog", str(made.data), str(count)]
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began
