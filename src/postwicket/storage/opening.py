"""Open what is kept in a data folder: brought up to date first, in well under a second."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .bodies import BodyStore
from .committer import Committed
from .database import FILE
from .migrate import migrate
from .sqlite import SqliteStore
from .sqlite_queue import SqliteQueue


def open_store(data: Path) -> SqliteStore:
    """Open accounts, queue and journal for plain calls; raise `StorageUnavailable`."""
    migrate(data / FILE)
    return SqliteStore(data / FILE, open_bodies(data))


def open_queue(
    data: Path, loop: asyncio.AbstractEventLoop, *, committed: Committed | None = None
) -> SqliteQueue:
    """Open the queue for a worker's event loop; raise `StorageUnavailable`.

    Open after the fork: neither connection nor thread survives one.
    """
    migrate(data / FILE)
    return SqliteQueue(data / FILE, open_bodies(data), loop, committed=committed)


def open_bodies(data: Path) -> BodyStore:
    """Open the folder of large bodies."""
    return BodyStore(data / "bodies")
