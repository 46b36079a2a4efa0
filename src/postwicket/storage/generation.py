"""A number in shared memory that changes with every change to an account, or to another list.

Live sessions of all workers ask it before each command, so asking is one read of mapped
memory: no system call, no query.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from .ownership import open_shared


class Generation:
    """The number in `path`; `advance` only while holding the write lock."""

    def __init__(self, path: Path) -> None:
        descriptor = open_shared(path)
        try:
            if os.fstat(descriptor).st_size < 8:
                os.ftruncate(descriptor, 8)
            self._map = mmap.mmap(descriptor, 8)
        finally:
            os.close(descriptor)
        self._view = memoryview(self._map).cast("Q")

    def __call__(self) -> int:
        """Return the number."""
        return self._view[0]

    def advance(self) -> None:
        """Make it another one."""
        self._view[0] = (self._view[0] + 1) % (1 << 63)

    def close(self) -> None:
        """Let go of the memory."""
        self._view.release()
        self._map.close()
