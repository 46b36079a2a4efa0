"""What a server costs: CPU time and memory of all of its processes, read from /proc.

CPU is user and system time of every living process plus what the dead ones left to their
parents, so a server that forks per connection cannot hide its work.  RSS counts shared pages
once per process, PSS shares them out: the sum of PSS is what the machine really gives.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PROC: Final = Path("/proc")
_TICK: Final = os.sysconf("SC_CLK_TCK")  # /proc/PID/stat counts in ticks, usually of 10 ms
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PARENT: Final = 1  # fields of /proc/PID/stat, counted behind the name: proc_pid_stat(5)
_OWN: Final = slice(11, 13)  # utime, stime
_CHILDREN: Final = slice(13, 15)  # cutime, cstime
_PSS: Final = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """Octets of all processes together."""

    rss: int = 0
    pss: int = 0
    processes: int = 0


def descendants(root: int) -> list[int]:
    """Return the living processes below `root`, parents first."""
    return _below(root, _stats())


def cpu_seconds(root: int) -> float:
    """Return the CPU time used so far by everything below `root`, the dead included."""
    stats = _stats()
    seconds = _ticks(stats.get(root, [])[_CHILDREN])
    for pid in _below(root, stats):
        own = max(_ticks(stats[pid][_OWN]), _running_threads(pid))
        seconds += own + _ticks(stats[pid][_CHILDREN])
    return seconds


def memory(root: int) -> Memory:
    """Return the memory of everything below `root`."""
    rss = pss = processes = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError):
            pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
            found = _PSS.search((_PROC / str(pid) / "smaps_rollup").read_text())
            rss += pages * _PAGE
            pss += int(found[1]) * 1024 if found else 0
            processes += 1
    return Memory(rss, pss, processes)


class Peak:
    """The highest memory between entry and exit, looked at `every` so many seconds.

    Looking costs CPU; it is for tests of memory, not of speed.
    """

    def __init__(self, root: int, *, every: float = 0.05) -> None:
        self._root = root
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.highest = Memory()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            now, high = memory(self._root), self.highest
            self.highest = Memory(
                max(now.rss, high.rss), max(now.pss, high.pss), max(now.processes, high.processes)
            )


def _ticks(numbers: list[str]) -> float:
    return sum(int(number) for number in numbers) / _TICK


def _running_threads(pid: int) -> float:
    """Return the CPU time of a process's living threads, exact; 0.0 where the kernel is silent.

    `stat` rounds every process down to a tick, which flatters a server of fifty processes.
    """
    nanoseconds = 0
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def _stats() -> dict[int, list[str]]:
    """Return the fields of /proc/PID/stat behind the name, for every process."""
    found = {}
    for folder in os.listdir(_PROC):  # noqa: PTH208  (twice as quick, and run while measuring)
        if folder.isdigit():
            with contextlib.suppress(OSError):
                text = (_PROC / folder / "stat").read_text()
                found[int(folder)] = text.rpartition(")")[2].split()
    return found


def _below(root: int, stats: dict[int, list[str]]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(int(fields[_PARENT]), []).append(pid)
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found
