"""One writer at a time among the processes of a data folder, each in its turn.

SQLite's own waiting is a poll with growing pauses: the process that has just committed gets
the lock again and the others starve.  Here a waiter sleeps in the kernel, and holds the `turn`
while it waits, so that whoever has just written must queue behind it.  The kernel drops both
locks of a process that dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .ownership import open_shared


class FairLock:
    """A context manager; each object is one holder, so threads must not share one."""

    def __init__(self, folder: Path) -> None:
        self._turn = open_shared(folder / "turn.lock")
        self._write = open_shared(folder / "write.lock")

    def __enter__(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._write, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._write, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._turn)
        os.close(self._write)
