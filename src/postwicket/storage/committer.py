"""One thread a process writes everything, many units to a transaction.

Units are handed over as the event loop's turn ends, so that what arrives together is committed
together: load makes batches larger, not slower.  Their rows are built on the loop; the thread
takes the write lock (in its turn among the processes), takes what has arrived meanwhile too,
writes, commits with one fsync, and tells the event loop once for the whole batch.

(Waiting 2 or 4 ms for company before the lock was measured, and was no cheaper.)

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

from .batch import Writer
from .fair_lock import FairLock
from .interfaces import Conflict, StorageUnavailable
from .units import Unit

# Bounds the time that other processes wait, and the memory of a transaction.
LARGEST_BATCH: Final = 256

# Entries nobody waits for are kept so long (seconds) and so many, when nothing takes them along.
LONGEST_WAIT: Final = 1.0
MOST_LOOSE: Final = 10_000

Committed = Callable[[Sequence[Entry]], None]


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
        self._writer = Writer(connection, _blame)
        self._lock = lock
        self._loop = loop
        self._released = released
        self._committed = committed
        self._pending: list[Unit] = []
        self._loose: list[Unit] = []
        self._timer: asyncio.TimerHandle | None = None
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
        _prepare(unit)
        self._pending.append(unit)

    def submit_loose(self, unit: Unit) -> None:
        """Have a unit written for which nobody waits: along with the next, or in a second."""
        if self._ended:
            raise StorageUnavailable("the storage is closed")
        _prepare(unit)
        self._loose.append(unit)
        if len(self._loose) >= MOST_LOOSE:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(LONGEST_WAIT, self._time_is_up)

    async def close(self) -> None:
        """Write what is pending, then end the thread."""
        if not self._ended:
            self._hand_over()
            self._ended = True
            if self._timer is not None:
                self._timer.cancel()
            self._batches.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _hand_over(self) -> None:
        units = self._loose + self._pending
        if units:
            self._batches.put(units)
            self._loose, self._pending = [], []

    def _time_is_up(self) -> None:
        # Not set anew by each batch: it only bounds the wait of what is there when it rings.
        self._timer = None
        self._hand_over()

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
                units += batch
        return True

    def _commit(self, units: list[Unit]) -> bool:
        more = True
        files: list[str] = []
        try:
            with self._lock:
                more = self._drain(units)
                files = self._writer.write([unit for unit in units if unit.error is None])
        except Exception as error:  # noqa: BLE001 (whatever it is, futures must be told)
            for unit in units:
                unit.error = _as_ours(error)
        self._tell(units)
        for file in files:
            self._released(file)
        return more

    def _tell(self, units: list[Unit]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
            self._loop.call_soon_threadsafe(_resolve, units)
        if self._committed is not None:
            entries = [entry for unit in units for entry in unit.told()]
            if entries:
                self._committed(entries)


def _prepare(unit: Unit) -> None:
    try:
        unit.prepare()
    except Exception as error:  # noqa: BLE001 (a unit that cannot be built fails alone)
        _blame(unit, error)


def _blame(unit: Unit, error: Exception) -> None:
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


def _as_ours(error: Exception) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(f"it exists already: {error}")
    if isinstance(error, sqlite3.Error | OSError):
        return StorageUnavailable(f"the database cannot be written: {error}")
    return error
