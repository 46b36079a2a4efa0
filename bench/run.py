"""`make bench`, or `python -m bench.run`: the command line and the flow of the benchmark.

    python -m bench.run                                everything, about ten minutes
    python -m bench.run --quick                        a tenth of it, to see that it works
    python -m bench.run --tests plain-kept,relay --peers postfix,postwicket --runs 5
    make bench BENCH="--tests idle,large"

Exit status: 0 every target is met, 1 one is missed or a run was invalid, 2 a test could not run
or was stopped.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import alone, cases, report, world
from bench.cases import COMPARISONS, Case
from bench.compare import Step, compare, fit
from bench.peers.postfix import Postfix
from bench.peers.postwicket import Postwicket
from bench.peers.server import Peer, PeerFailed
from bench.peers.sink import Sink
from bench.results import Outcome

_PEERS: Final[dict[str, type[Peer]]] = {"sink": Sink, "postfix": Postfix, "postwicket": Postwicket}
_QUICK: Final = 0.1
_WIDTH: Final = 150  # of tables that go into a file


def main(words: Sequence[str] | None = None) -> int:
    """Run what was asked for, print it, write it down."""
    options = _options(words)
    for name in [name for name in os.environ if name.startswith("POSTWICKET_")]:
        del os.environ[name]  # the settings are the benchmark's own
    signal.signal(signal.SIGTERM, _leave)  # like Ctrl-C: what was started is ended
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    machine = report.facts(tempfile.gettempdir())
    console.print("  ".join(f"{name}={value}" for name, value in machine.items()), markup=False)
    if machine["filesystem"] in {"tmpfs", "ramfs"}:
        console.print("the queues are in memory: nothing is synced; set TMPDIR to a real disk")
    outcomes: list[Outcome] = []
    failed = not _run(options, console, outcomes)
    if not outcomes:
        return 2
    report.show_summary(outcomes, console)
    file = report.save(outcomes, machine, {**vars(options)})
    console.print(f"\nwritten to {file}", highlight=False)
    if failed:
        return 2
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    good = all(verdict.state == "pass" for verdict in verdicts)
    return 0 if good and all(outcome.valid for outcome in outcomes) else 1


def _run(options: argparse.Namespace, console: Console, outcomes: list[Outcome]) -> bool:
    """Run the tests and show each; False when one could not be run, or Ctrl-C came."""
    complete = True
    for name in options.tests:
        try:
            outcomes.append(_one(name, options, console))
        except (PeerFailed, subprocess.SubprocessError) as error:
            console.print(f"\n{name} cannot run: {error}", style="bold red", markup=False)
            complete = False
        except KeyboardInterrupt:
            console.print("\nstopped; what is finished follows")
            return False
        else:
            report.show(outcomes[-1], console)
    return complete


def _one(name: str, options: argparse.Namespace, console: Console) -> Outcome:
    """Run one test behind a progress bar."""
    case = next((case for case in COMPARISONS if case.key == name), None)
    peers = [_PEERS[peer]() for peer in options.peers]
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=2,  # it shares the cores with what it watches
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(name, total=_steps(name, case, peers, options.runs))

        def step(text: str) -> None:
            progress.update(task, description=text, advance=1)

        if case:
            return compare(case, peers, runs=options.runs, scale=options.scale, step=step)
        return _alone(name, options, step)


def _alone(name: str, options: argparse.Namespace, step: Step) -> Outcome:
    if name == cases.IDLE:
        return alone.idle(runs=options.runs, scale=options.scale, step=step)
    if name == cases.LARGE:
        return alone.large(scale=options.scale, step=step)
    if name == cases.DEAD_SITES:
        return world.dead_sites(runs=options.runs, scale=options.scale, step=step)
    if name == cases.DEFERRED:
        return world.deferred(runs=options.runs, scale=options.scale, step=step)
    return alone.backlog(runs=options.runs, scale=options.scale, step=step)


def _steps(name: str, case: Case | None, peers: Sequence[Peer], runs: int) -> int:
    """Return how often a test tells its progress."""
    if case:
        return len(fit(case, peers)) * (1 + runs)
    return {
        cases.IDLE: 1 + 3 * runs,
        cases.LARGE: 1,
        cases.BACKLOG: 3 + 2 * runs,
        cases.DEAD_SITES: 3 + 2 * runs,
        cases.DEFERRED: 2 + runs,
    }[name]


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.run", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--tests", type=_list_of(cases.ALL), default=list(cases.ALL))
    parser.add_argument("--peers", type=_list_of(tuple(_PEERS)), default=list(_PEERS))
    parser.add_argument("--runs", type=int, default=3, help="rounds of each test (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies every amount")
    parser.add_argument("--quick", action="store_true", help="one round of a tenth")
    options = parser.parse_args(words)
    if options.quick:
        options.runs, options.scale = 1, _QUICK
    if options.runs < 1 or options.scale <= 0:
        parser.error("--runs and --scale must be greater than 0")
    return options


class _list_of:  # noqa: N801  (it reads as a type in add_argument)
    """A comma-separated list of known names."""

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in self._known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(self._known)}")
        return names


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
