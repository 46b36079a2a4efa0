"""Shows what was found: tables on the terminal, everything as JSON in a file."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.peers.server import ROOT
from bench.results import Outcome, Sample, Verdict

RESULTS: Final = ROOT / "bench" / "results"
_STYLES: Final = {"pass": "green", "short": "bold yellow", "invalid": "bold red"}


def facts(folder: str) -> dict[str, Any]:
    """Return what must be known of the machine to compare figures; `folder` holds the queues."""
    kinds = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        kinds[place] = kind
    under = [str(path) for path in (Path(folder).resolve(), *Path(folder).resolve().parents)]
    info = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line]
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": models[0] if models else platform.machine(),
        "memory_gib": round(total / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postfix": _says("/usr/sbin/postconf", "-hd", "mail_version"),
        "filesystem": next((kinds[place] for place in under if place in kinds), "unknown"),
        "commit": _says("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "load_before": os.getloadavg()[0],
    }


def show(outcome: Outcome, console: Console) -> None:
    """Print one test: the servers, the figures, the verdicts, the errors."""
    console.print()
    console.print(_servers(outcome))
    if outcome.figures:
        told = (f"{name} {_number(value)}" for name, value in outcome.figures.items())
        console.print("  " + " · ".join(told), highlight=False)
    for verdict in outcome.verdicts:
        console.print(f"  {_sentence(verdict)}", highlight=False)
    for error in outcome.errors:
        console.print(f"  error: {error}", style="bold red", markup=False)
    for sample in outcome.samples:
        for error, times in sample.errors.items():
            text = f"  error: {sample.peer}: {times} x {error}"
            console.print(text, style="bold red", markup=False)


def show_summary(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print every target and whether it is met."""
    table = Table(title="Targets", title_justify="left")
    for heading in ("test", "figure"):
        table.add_column(heading)
    for heading in ("measured", "target"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for outcome in outcomes:
        for verdict in outcome.verdicts:
            table.add_row(
                outcome.key,
                verdict.what,
                _measured(verdict),
                _target(verdict),
                verdict.state,
                style=None if verdict.state == "pass" else _STYLES[verdict.state],
            )
    console.print()
    console.print(table)


def save(outcomes: Sequence[Outcome], machine: dict[str, Any], options: dict[str, Any]) -> Path:
    """Write everything as JSON below bench/results; return the file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{machine['at'].replace(':', '').replace('+0000', 'Z')}.json"
    whole = {
        "machine": machine,
        "options": options,
        "outcomes": [_plain(outcome) for outcome in outcomes],
    }
    file.write_text(json.dumps(whole, indent=1) + "\n")
    return file


def _plain(outcome: Outcome) -> dict[str, Any]:
    plain = asdict(outcome)
    for verdict, told in zip(outcome.verdicts, plain["verdicts"], strict=True):
        told["state"] = verdict.state
    for sample, told in zip(outcome.samples, plain["samples"], strict=True):
        told["messages_per_second"] = sample.rate
        told["cpu_us_per_message"] = sample.cpu
        told["generator_us_per_message"] = sample.generator_cpu
    return plain


def _servers(outcome: Outcome) -> Table:
    table = Table(title=outcome.title, title_justify="left")
    table.add_column("server")
    for heading in (
        *("messages/s", "min-max", "CPU µs/message", "generator µs", "p50 ms", "p99 ms"),
        *("RSS MB", "PSS MB", "processes", "errors"),
    ):
        table.add_column(heading, justify="right")
    for peer in outcome.peers():
        samples = outcome.of(peer)
        rates = [sample.rate for sample in samples]
        errors = sum(sum(sample.errors.values()) for sample in samples)
        table.add_row(
            peer,
            _number(statistics.median(rates)),
            f"{_number(min(rates))}-{_number(max(rates))}",
            _number(outcome.median(peer, lambda sample: sample.cpu)),
            _number(outcome.median(peer, lambda sample: sample.generator_cpu)),
            _latency(samples, lambda sample: sample.p50),
            _latency(samples, lambda sample: sample.p99),
            _number(outcome.median(peer, lambda sample: sample.memory.rss / 1e6)),
            _number(outcome.median(peer, lambda sample: sample.memory.pss / 1e6)),
            str(max(sample.memory.processes for sample in samples)),
            str(errors),
            style="bold red" if errors else None,
        )
    return table


def _latency(samples: Sequence[Sample], measure: Callable[[Sample], float | None]) -> str:
    known = [value for sample in samples if (value := measure(sample)) is not None]
    return _number(statistics.median(known)) if known else "-"


def _sentence(verdict: Verdict) -> str:
    style = _STYLES[verdict.state]
    figure = f"{_measured(verdict)} (target {_target(verdict)})"
    return f"[{style}]{verdict.state:7}[/] {verdict.what}: {figure}"


def _measured(verdict: Verdict) -> str:
    return f"{verdict.value:.2f}{verdict.unit}"


def _target(verdict: Verdict) -> str:
    return f"{'at least' if verdict.at_least else 'at most'} {verdict.target:.4g}{verdict.unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.1f}"


def _says(*command: str) -> str:
    """Return what a program prints, or "" when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
