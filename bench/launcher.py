"""Run one server as the child of a subreaper, so that none of its processes can get away.

`python -m bench.launcher SECONDS PROGRAM ...`: every descendant stays below this process, even
one that detaches itself, and the CPU time of the dead ones is kept in its `cutime`.  SIGTERM
asks the server to stop, waits at most SECONDS and then kills what is left.  When the benchmark
itself dies, the kernel sends the same SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Final, NoReturn

from bench.measure import descendants

_SET_PARENT_DEATH_SIGNAL: Final = 1  # prctl(2): PR_SET_PDEATHSIG
_SET_CHILD_SUBREAPER: Final = 36  # prctl(2): PR_SET_CHILD_SUBREAPER


class _Stop(BaseException):
    """SIGTERM arrived."""


def main() -> NoReturn:
    """Start the program, reap until it has ended or SIGTERM comes, leave nothing behind."""
    grace, command = float(sys.argv[1]), sys.argv[2:]
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    server = subprocess.Popen(command).pid
    try:
        signal.signal(signal.SIGTERM, _stop)
        _reap_until(None)
    except _Stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGTERM)
        _reap_until(time.monotonic() + grace)
        _kill_all()
    os._exit(0)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stop


def _reap_until(deadline: float | None) -> None:
    """Collect dead children until there are none, or until the deadline."""
    with contextlib.suppress(ChildProcessError):
        while deadline is None:
            os.waitpid(-1, 0)
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)


def _kill_all() -> None:
    """Kill every descendant; again, because one may have forked meanwhile."""
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap_until(time.monotonic() + 0.2)


if __name__ == "__main__":
    main()
