"""One thread a process writes everything, many units to a transaction.

Units are handed over as the event loop's turn ends, so that what arrives together is committed
together: load makes batches larger, not slower.  The thread prepares rows, takes the write lock
(in its turn among the processes), takes what has arrived meanwhile too, writes, commits with one
fsync, and tells the event loop once for the whole batch.

Measured and left out, because it was no cheaper in all: building the rows on the loop; waiting
2 or 4 ms for company before the lock; one statement a batch through a view with triggers.

A unit is written wholly or not at all.  When the database cannot write (disk full, I/O error,
locked) every unit of the transaction fails with `StorageUnavailable`, nothing of it is stored,
and later units are tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final

from postwicket.core.entry import Entry

from .batch import write
from .fair_lock import FairLock
from .interfaces import Conflict, StorageUnavailable
from .units import Unit

# Bounds the time that other processes wait, and the memory of a transaction.
LARGEST_BATCH: Final = 256
# Entries that nobody waits for must not cost an fsync of their own.
LOOSE_FOR: Final = 1.0  # seconds
MOST_LOOSE: Final = 10_000

Committed = Callable[[Sequence[Entry]], None]

_CANNOT_WRITE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


class Committer:
    """The writing thread.

    It owns `connection` and `lock` from now on and closes them at its end.  `submit` belongs to
    the event loop.  `committed` is called in the thread after each commit with the entries of
    the batch; `released` with the body files that no row refers to any more.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: FairLock,
        loop: asyncio.AbstractEventLoop,
        *,
        released: Callable[[str], None],
        committed: Committed | None = None,
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._loop = loop
        self._released = released
        self._committed = committed
        self._pending: list[Unit] = []
        self._loose: list[Unit] = []
        self._batches: SimpleQueue[list[Unit] | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit) -> None:
        """Have a unit written; its future is told."""
        if self._ended:
            raise StorageUnavailable("the storage is closed")
        if not self._pending:
            # At the end of this turn of the loop: its other units then come along.
            self._loop.call_soon(self._hand_over)
        self._pending.append(unit)

    def submit_loose(self, unit: Unit) -> None:
        """Have a unit written for which nobody waits: along with the next, or in a second."""
        if self._ended:
            raise StorageUnavailable("the storage is closed")
        self._loose.append(unit)
        if len(self._loose) >= MOST_LOOSE:
            self._hand_over()
        elif len(self._loose) == 1:
            self._loop.call_later(LOOSE_FOR, self._hand_over)

    async def close(self) -> None:
        """Write what is pending, then end the thread."""
        if not self._ended:
            self._hand_over()
            self._ended = True
            self._batches.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _hand_over(self) -> None:
        if self._pending or self._loose:
            self._batches.put(self._pending + self._loose)
            self._pending, self._loose = [], []

    # --- in the thread --------------------------------------------------------------------

    def _run(self) -> None:
        more = True
        while more:
            first = self._batches.get()
            if first is None:
                break
            more = self._commit(first)
        self._connection.close()
        self._lock.close()

    def _drain(self, units: list[Unit]) -> bool:
        """Add what has arrived; False when the end has."""
        with contextlib.suppress(Empty):
            while len(units) < LARGEST_BATCH:
                batch = self._batches.get_nowait()
                if batch is None:
                    return False
                _prepare(batch)
                units += batch
        return True

    def _commit(self, units: list[Unit]) -> bool:
        more = True
        files: list[str] = []
        try:
            _prepare(units)
            with self._lock:
                more = self._drain(units)
                files = self._transact(units)
        except Exception as error:  # noqa: BLE001 (whatever it is, futures must be told)
            for unit in units:
                unit.error = _as_ours(error)
        self._tell(units)
        for file in files:
            self._released(file)
        return more

    def _transact(self, units: list[Unit]) -> list[str]:
        """Write the units in one transaction: together, or else one by one."""
        connection = self._connection
        sound = [unit for unit in units if unit.error is None]
        connection.execute("BEGIN IMMEDIATE")
        try:
            try:
                files = write(connection, sound)
            except Exception as error:
                if _cannot_write(error):
                    raise
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                files = self._one_by_one(sound)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return files

    def _one_by_one(self, units: Sequence[Unit]) -> list[str]:
        files: list[str] = []
        for unit in units:
            self._connection.execute("SAVEPOINT unit")
            unit.result = None
            try:
                files += write(self._connection, [unit])
            except Exception as error:
                if _cannot_write(error):
                    raise
                self._connection.execute("ROLLBACK TO unit")
                unit.error = _as_ours(error)
            self._connection.execute("RELEASE unit")
        return files

    def _tell(self, units: list[Unit]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
            self._loop.call_soon_threadsafe(_resolve, units)
        if self._committed is not None:
            entries = [entry for unit in units for entry in unit.told()]
            if entries:
                self._committed(entries)


def _prepare(units: list[Unit]) -> None:
    for unit in units:
        try:
            unit.prepare()
        except Exception as error:  # noqa: BLE001 (a unit that cannot be built fails alone)
            unit.error = _as_ours(error)


def _resolve(units: list[Unit]) -> None:
    for unit in units:
        future = unit.future
        if future is None or future.done():
            continue
        if unit.error is not None:
            future.set_exception(unit.error)
        else:
            future.set_result(unit.result)


def _cannot_write(error: Exception) -> bool:
    """Say whether the database failed, rather than the unit."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CANNOT_WRITE


def _as_ours(error: Exception) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(f"it exists already: {error}")
    if isinstance(error, sqlite3.Error | OSError):
        return StorageUnavailable(f"the database cannot be written: {error}")
    return error
