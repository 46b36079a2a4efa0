"""Runs one round: a load against one server, with everything that it cost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Final

from bench.cases import SESSIONS, SIZE, Case
from bench.generator import Load, Result
from bench.measure import cpu_seconds, memory
from bench.peers.server import HOST, ROOT, USER, FarEnd, PeerFailed, Server, find_program
from bench.results import Sample

_RECIPIENT: Final = "rcpt@example.net"
_LONGEST: Final = 600.0  # seconds for one round, then something hangs
_STUCK: Final = 15.0  # seconds without an arrival at the far end
_SETTLE: Final = 0.3  # seconds for what a server does behind the last 250


def round_of(case: Case, server: Server, count: int, far_end: FarEnd | None) -> Sample:
    """Send `count` messages as the case says; with a far end, wait until all are there."""
    os.sync()  # what another server left to write must not be charged to this one
    before = server.kept() if server.kept else 0
    used = cpu_seconds(server.pid)
    arrived = far_end.messages if far_end else 0
    began = time.perf_counter()
    if case.tool == "smtp-source":
        to = far_end.recipient if far_end else _RECIPIENT
        result = smtp_source(server.ports["none"], count, to)
    else:
        result = generate(load_for(case, server, count))
    seconds, errors = result.seconds, dict(result.errors)
    if far_end:
        if not far_end.wait_for(arrived + count, limit=_STUCK):
            lost = arrived + count - far_end.messages
            errors["did not arrive"] = lost
        seconds = far_end.last - began
    in_use = memory(server.pid)
    time.sleep(_SETTLE)
    used = cpu_seconds(server.pid) - used
    if server.kept and (kept := server.kept() - before) != result.accepted:
        errors[f"{result.accepted} were answered 250, {kept} are kept"] = 1
    return Sample(
        peer=server.name,
        accepted=result.accepted,
        seconds=seconds,
        cpu_seconds=used,
        generator_cpu_seconds=result.cpu_seconds,
        memory=in_use,
        p50=result.p50 or None,
        p99=result.p99 or None,
        errors=errors,
    )


def load_for(case: Case, server: Server, count: int) -> Load:
    """Return the generator's load for a case."""
    load = Load(
        port=server.ports[case.door],
        tls=case.door,
        sender=USER,
        recipients=case.recipients or (_RECIPIENT,),
        in_turn=bool(case.recipients),
        sessions=SESSIONS,
        per_connection=case.per_connection,
        size=SIZE,
        count=count,
    )
    if case.door == "none":
        return load
    return replace(load, user=USER, password=server.password)


def generate(load: Load) -> Result:
    """Run the generator in a process of its own."""
    command = [sys.executable, "-m", "bench.generator"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with ended(process):
        out, _ = process.communicate(json.dumps(asdict(load)).encode(), timeout=_LONGEST)
    if process.returncode:
        raise PeerFailed(f"the load generator ended with {process.returncode}")
    return Result(**json.loads(out))


def smtp_source(port: int, count: int, recipient: str = _RECIPIENT) -> Result:
    """Run Postfix's generator with connections that are kept; it knows no latencies."""
    command = [
        *(find_program("smtp-source", "postfix"), "-d"),
        *("-s", str(SESSIONS), "-l", str(SIZE), "-m", str(count)),
        *("-f", USER, "-t", recipient, f"{HOST}:{port}"),
    ]
    used = _children()
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    with ended(process):
        _, said = process.communicate(timeout=_LONGEST)
    failed = process.returncode != 0
    return Result(
        accepted=0 if failed else count,
        seconds=time.perf_counter() - began,
        p50=0.0,
        p99=0.0,
        errors={said.decode(errors="replace").strip()[-300:] or "smtp-source failed": 1}
        if failed
        else {},
        cpu_seconds=_children() - used,
    )


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Make sure that a process and its children are gone when the block is left, also by Ctrl-C.

    The process must lead a session of its own, so that Ctrl-C reaches the benchmark alone.
    """
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
