"""What the supervisor starts, as installed: the application's workers and the storage."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from postwicket import app
from postwicket.config import Settings
from postwicket.journal.log import Log
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.opening import open_store

from .crew import SLOTS
from .errors import CannotServe


class InstalledPrograms:
    """The real thing; tests of the supervisor bring smaller ones."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def run_worker(
        self,
        settings: Settings,
        *,
        slot: int,
        sockets: Mapping[int, socket.socket],
        control: int,
    ) -> int | None:
        """Accept and deliver."""
        return app.run_worker(settings, slot=slot, sockets=dict(sockets), control=control)

    def run_web(
        self, settings: Settings, *, sockets: Mapping[int, socket.socket], control: int
    ) -> int | None:
        """Serve the web."""
        return app.run_web(settings, sockets=dict(sockets), control=control)

    def open_storage(self, data: Path) -> None:
        """Bring the database up to date and release all claims; raise `CannotServe`."""
        try:
            _tidy(data, range(SLOTS))
        except StorageUnavailable as error:
            raise CannotServe(str(error)) from error

    def release(self, data: Path, slot: int) -> None:
        """Release what the worker in this slot had claimed."""
        try:
            _tidy(data, [slot])
        except StorageUnavailable as error:
            # Not the end: claims are leases and run out by themselves.
            self._log.error("claims could not be released", slot=slot, why=str(error))


def _tidy(data: Path, slots: Sequence[int]) -> None:
    # Opened and closed each time: SQLite must not be open across a fork.
    with closing(open_store(data)) as store:
        store.tidy(now=time.time(), released_slots=slots)
