"""What is waiting to be written: units of work, each all or nothing.

A unit prepares its rows on the event loop, before the write lock is taken, because other
processes wait for that lock.  (In the writing thread it costs the same in all.)  What only the
database knows is decided in `batch`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from postwicket.core.entry import Entry

from .rows import (
    KEYS_IN_ROW,
    Row,
    charge_row,
    delivery_row,
    entry_row,
    incoming_row,
    key_rows,
    settled_row,
)
from .values import NewMessage, OverLimit, Settlement

# The columns of a message that costs nobody anything.
FREE: Final[Row] = (None,) * 7


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
    """A new message; its result is None, or an OverLimit when it was not stored.

    `row` and `charge` are the message with its first delivery and what it costs; `deliveries`
    and `keys` are what they have no columns for.
    """

    __slots__ = ("charge", "deliveries", "keys", "new", "row")

    def __init__(self, future: asyncio.Future[OverLimit | None] | None, new: NewMessage) -> None:
        super().__init__(future)
        self.new = new
        self.charge = FREE
        self.deliveries: Sequence[Row] = ()

    def prepare(self) -> None:
        """Build the rows."""
        new = self.new
        keys = key_rows(new.message)
        self.row: Row = incoming_row(new, keys)
        self.keys: Sequence[Row] = keys[KEYS_IN_ROW:]
        # The notices of a settlement come without a future, and are not charged.
        if new.charge is not None and self.future is not None:
            self.charge = charge_row(new, new.charge)
        recipients = len(new.message.envelope.recipients)
        if recipients > 1:
            self.deliveries = [delivery_row(new, number) for number in range(2, recipients + 1)]

    def told(self) -> Sequence[Entry]:
        """Return the entry, unless the message was not stored."""
        return (self.new.entry,) if self.result is None and self.error is None else ()


class Settle(Unit):
    """Ended attempts and the notices that follow; its result counts those that took effect."""

    __slots__ = ("effective", "notices", "rows", "settlements")

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
        self.result = len(settlements)

    def prepare(self) -> None:
        """Build the rows."""
        self.rows = [settled_row(settlement) for settlement in self.settlements]
        for notice in self.notices:
            notice.prepare()

    def told(self) -> Sequence[Entry]:
        """Return the entries of what took effect, and of the notices."""
        if self.error is not None or not self.effective:
            return ()
        notices = [notice.new.entry for notice in self.notices]
        return [settlement.entry for settlement in self.effective] + notices


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
