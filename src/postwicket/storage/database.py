"""Open an SQLite database the way all of Postwicket does, and use it from a plain call."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .fair_lock import FairLock
from .interfaces import StorageUnavailable
from .named import SQLITE
from .rows import Row

FILE: Final = "postwicket.db"
# Statements kept prepared: each table has up to 32 for batches.
_STATEMENTS: Final = 512

Parameters = Sequence[Any] | Mapping[str, Any]


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database; the caller sees to it that one thread at a time uses the connection."""
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,  # transactions are written out
        check_same_thread=False,
        cached_statements=_STATEMENTS,
        timeout=5.0,  # against strangers' transactions; ours wait at the fair lock
    )
    if read_only:
        connection.execute("PRAGMA query_only = ON")
        return connection
    for pragma in (
        "synchronous = FULL",  # a commit is on the disk before anybody is told of it
        "wal_autocheckpoint = 2000",  # pages: 16 MiB; 1000 and 4000 measured the same
        "journal_size_limit = 67108864",  # give the space of an unusually long log back
        "cache_size = -16384",  # KiB: the upper levels of all trees
        "temp_store = MEMORY",
        # Debian's SQLite is built to overwrite what is deleted; FAST does so only where that
        # writes no further page.
        "secure_delete = FAST",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageUnavailable(f"the database cannot be used: {error}") from error


class Database:
    """A connection for plain calls: any thread may call, one at a time gets its turn."""

    def __init__(self, path: Path) -> None:
        with storage_errors():
            self._connection = connect(path)
            self._lock = FairLock(path.parent)
        self._guard = threading.RLock()

    def read(self, name: str, parameters: Parameters = ()) -> list[Row]:
        """Return the rows of a named statement."""
        with storage_errors(), self._guard:
            return self._connection.execute(SQLITE[name], parameters).fetchall()

    @contextlib.contextmanager
    def writing(
        self, *, committed: Callable[[], None] | None = None
    ) -> Iterator[sqlite3.Connection]:
        """Hold the write lock and a transaction: committed at the end, undone by an exception.

        `committed` is called after the commit, while the write lock is still held.
        """
        with storage_errors(), self._guard, self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
                if committed is not None:
                    committed()
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the database."""
        with self._guard:
            self._connection.close()
            self._lock.close()
