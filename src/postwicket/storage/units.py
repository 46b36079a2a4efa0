"""What is waiting to be written: units of work, each all or nothing.

A unit prepares its rows before the write lock is taken, because other processes wait for that
lock; what only the database knows is decided in `batch`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from postwicket.core.entry import Entry

from .rows import (
    Row,
    attempt_row,
    body_row,
    change_row,
    delivery_rows,
    entry_row,
    key_rows,
    message_row,
)
from .values import NewMessage, OverLimit, Settlement


class Unit:
    """One promise to keep: `result` or `error` is what its future is told after the commit."""

    __slots__ = ("error", "future", "result")

    def __init__(self, future: asyncio.Future[Any] | None) -> None:
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None

    def prepare(self) -> None:
        """Build what can be built before the lock is taken."""

    def told(self) -> Sequence[Entry]:
        """Return the entries that were written, once it is committed."""
        return ()


class Accept(Unit):
    """A new message; its result is None, or an OverLimit when it was not stored."""

    __slots__ = ("bodies", "deliveries", "entries", "keys", "messages", "new")

    def __init__(self, future: asyncio.Future[OverLimit | None] | None, new: NewMessage) -> None:
        super().__init__(future)
        self.new = new

    def prepare(self) -> None:
        """Build the rows."""
        new = self.new
        self.messages: Row = message_row(new)
        self.bodies: Row = body_row(new)
        self.deliveries: list[Row] = delivery_rows(new)
        self.entries: Row = entry_row(new.entry)
        self.keys: list[Row] = key_rows(new.message)

    def told(self) -> Sequence[Entry]:
        """Return the entry, unless the message was not stored."""
        return (self.new.entry,) if self.result is None and self.error is None else ()


class Settle(Unit):
    """Ended attempts and the notices that follow; its result counts those that took effect."""

    __slots__ = ("attempts", "changes", "effective", "entries", "notices", "settlements")

    def __init__(
        self,
        future: asyncio.Future[int] | None,
        settlements: Sequence[Settlement],
        notices: Sequence[NewMessage],
    ) -> None:
        super().__init__(future)
        self.settlements = settlements
        self.notices = [Accept(None, notice) for notice in notices]
        self.effective: Sequence[Settlement] = settlements

    def prepare(self) -> None:
        """Build the rows."""
        self.changes = [change_row(settlement) for settlement in self.settlements]
        self.attempts = [attempt_row(settlement) for settlement in self.settlements]
        entries = [settlement.entry for settlement in self.settlements]
        self.entries = [entry_row(entry) if entry else None for entry in entries]
        for notice in self.notices:
            notice.prepare()

    def told(self) -> Sequence[Entry]:
        """Return the entries of what took effect, and of the notices."""
        if self.error is not None or not self.effective:
            return ()
        notices = [notice.new.entry for notice in self.notices]
        told = [settlement.entry for settlement in self.effective if settlement.entry]
        return told + notices


class Record(Unit):
    """An entry for which nobody waits."""

    __slots__ = ("entry", "row")

    def __init__(self, entry: Entry) -> None:
        super().__init__(None)
        self.entry = entry

    def prepare(self) -> None:
        """Build the row."""
        self.row: Row = entry_row(self.entry)

    def told(self) -> Sequence[Entry]:
        """Return the entry."""
        return (self.entry,) if self.error is None else ()


class Call(Unit):
    """A function of the connection; its result is what the function returns."""

    __slots__ = ("function",)

    def __init__(
        self,
        future: asyncio.Future[Any] | None,
        function: Callable[[sqlite3.Connection], object],
    ) -> None:
        super().__init__(future)
        self.function = function
