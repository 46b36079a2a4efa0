"""Start a worker: fork, give it what is its own, take away what is not.

Between supervisor and worker runs a pair of sockets.  The worker writes `b"R"` when it is
ready; when it reads the end, the supervisor is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Final, NoReturn, Protocol

READY: Final = b"R"
OURS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# A terminal sends these to the whole group; the supervisor alone says what they mean.
LEFT_TO_THE_SUPERVISOR: Final = (signal.SIGINT, signal.SIGHUP)


class Closable(Protocol):
    """Something that a worker must not keep open."""

    def close(self) -> None:
        """Let go of it."""
        ...


def fork_worker(
    work: Callable[[int], int | None], *, not_theirs: Iterable[Closable]
) -> tuple[int, socket.socket]:
    """Run `work(control)` in a new process; return its pid and our end of the control pair.

    The new process closes `not_theirs` first.  It ends when `work` returns, with what that
    returned as its status (None is 0), or 1 when it raised.
    """
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal for the new process must not run into our handlers, nor get lost for us.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
    try:
        pid = os.fork()
        if pid == 0:
            for each in (ours, *not_theirs):
                each.close()
            _work(work, theirs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    ours.settimeout(0)
    return pid, ours


def _work(work: Callable[[int], int | None], control: socket.socket) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in OURS:
            ignored = number in LEFT_TO_THE_SUPERVISOR
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        status = work(control.fileno()) or 0
    except SystemExit as wish:
        status = wish.code if isinstance(wish.code, int) else 0 if wish.code is None else 1
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
    finally:
        # Not sys.exit: the supervisor's own frames above us must not unwind in this process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def describe_end(status: int) -> str:
    """Say how a process ended, from its wait status.

    >>> describe_end(0), describe_end(256), describe_end(9)
    ('exit 0', 'exit 1', 'SIGKILL')
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
