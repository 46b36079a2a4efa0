"""Write a batch of units into the open transaction: one statement a table, not one a message.

Every call of the driver lets go of Python's lock and must win it back from a busy event loop,
and costs more than the row it writes; so rows of all units go together.  `write` assumes that
all is well, which the fences and constraints check: if they object, it raises, and the
committer writes the units again one by one, so that one bad unit fails alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from .named import SQLITE, many
from .rows import Row, as_json
from .units import Accept, Call, Record, Settle, Unit
from .usage import ended, minute_of, over_limit, too_much
from .values import Charge, NewMessage, OverLimit, Settlement

# Rows in one statement: each number of rows is a statement that is prepared once and kept.
LONGEST_STATEMENT: Final = 32


class OneByOne(Exception):
    """The batch cannot be written as a whole: write each unit by itself."""


def write(connection: sqlite3.Connection, units: Sequence[Unit]) -> list[str]:
    """Write all units and set their results; return body files to delete after the commit.

    Raises `OneByOne`, or what the driver or a unit raises; then roll back.
    """
    accepts = [unit for unit in units if isinstance(unit, Accept)]
    settles = [unit for unit in units if isinstance(unit, Settle)]
    files = _settle(connection, settles, alone=len(units) == 1) if settles else []
    kept = _charge(connection, accepts)
    notices = [notice for unit in settles if unit.effective for notice in unit.notices]
    add(connection, kept + notices)
    entries = [unit.entries for unit in kept + notices]
    entries += [unit.row for unit in units if isinstance(unit, Record)]
    entries += [row for unit in settles for row in unit.entries if row is not None]
    insert(connection, "add entries", entries)
    for unit in units:
        if isinstance(unit, Call):
            unit.result = unit.function(connection)
    return files


def insert(connection: sqlite3.Connection, name: str, rows: Sequence[Row]) -> int:
    """Execute a statement for many rows in as few calls as may be; return the rows changed."""
    changed = 0
    for start in range(0, len(rows), LONGEST_STATEMENT):
        part = rows[start : start + LONGEST_STATEMENT]
        statement = many(name, len(part))
        changed += connection.execute(statement, list(chain.from_iterable(part))).rowcount
    return changed


def add(connection: sqlite3.Connection, accepts: Sequence[Accept]) -> None:
    """Add messages with everything of theirs but the journal's entries."""
    insert(connection, "add messages", [unit.messages for unit in accepts])
    insert(connection, "add bodies", [unit.bodies for unit in accepts])
    insert(connection, "add deliveries", _all(unit.deliveries for unit in accepts))
    # Sorted: neighbours in the tree are written together.
    insert(connection, "add keys", sorted(_all(unit.keys for unit in accepts)))


def _all(rows: Iterable[Iterable[Row]]) -> list[Row]:
    return list(chain.from_iterable(rows))


# --- usage --------------------------------------------------------------------------------


class _Tally:
    """What an account has used, while a batch adds to it."""

    def __init__(self, account: int, minute: int, messages: int, recipients: int) -> None:
        self.account, self.minute = account, minute
        self.messages, self.recipients = messages, recipients
        self.added: dict[int, tuple[int, int]] = {}

    def add(self, charge: Charge) -> None:
        messages, recipients = self.added.get(self.minute, (0, 0))
        self.added[self.minute] = messages + charge.messages, recipients + charge.recipients
        self.messages += charge.messages
        self.recipients += charge.recipients


def _charge(connection: sqlite3.Connection, accepts: Sequence[Accept]) -> list[Accept]:
    """Charge each message, in order; return those that are kept."""
    accounts = {unit.new.charge.account for unit in accepts if unit.new.charge}
    if not accounts:
        return list(accepts)
    rows = connection.execute(SQLITE["usage totals"], (as_json(list(accounts)),)).fetchall()
    tallies = {row[0]: _Tally(*row) for row in rows}
    kept = []
    for unit in accepts:
        if unit.new.charge is not None:
            unit.result = _judge(connection, tallies, unit.new, unit.new.charge)
        if unit.result is None:
            kept.append(unit)
    added = [
        (tally.account, minute, *sums)
        for tally in tallies.values()
        for minute, sums in tally.added.items()
    ]
    insert(connection, "add usage", added)
    insert(
        connection,
        "set usage totals",
        [(t.account, t.minute, t.messages, t.recipients) for t in tallies.values()],
    )
    return kept


def _judge(
    connection: sqlite3.Connection, tallies: dict[int, _Tally], new: NewMessage, charge: Charge
) -> OverLimit | None:
    """Charge the account if there is room; move its window first if a minute has passed."""
    now = new.message.received
    tally = tallies.get(charge.account)
    if tally is None:
        tally = tallies[charge.account] = _Tally(charge.account, minute_of(now), 0, 0)
    # An account's time never runs backwards: what has left the window stays out of it.
    if minute_of(now) > tally.minute:
        tally.minute = minute_of(now)
        gone = connection.execute(SQLITE["end usage"], (charge.account, ended(tally.minute)))
        for messages, recipients in gone.fetchall():
            tally.messages -= messages
            tally.recipients -= recipients
    if too_much(charge, tally.messages, tally.recipients) is None:
        tally.add(charge)
        return None
    parameters = (charge.account, ended(tally.minute))
    minutes = connection.execute(SQLITE["usage minutes"], parameters).fetchall()
    minutes += [(minute, *sums) for minute, sums in tally.added.items()]
    return over_limit(charge, minutes, now=max(now, tally.minute * 60.0))


# --- settling -----------------------------------------------------------------------------


def _settle(
    connection: sqlite3.Connection, settles: Sequence[Settle], *, alone: bool
) -> list[str]:
    """Change the deliveries and let bodies go; return the files of those."""
    changes = _all(unit.changes for unit in settles)
    if alone:
        _settle_each(connection, settles[0])
    elif insert(connection, "settle", changes) != len(changes):
        raise OneByOne
    else:
        for unit in settles:
            unit.result = len(unit.changes)
    attempts = [row for unit in settles for row in unit.attempts if row is not None]
    insert(connection, "add attempts", attempts)
    finished = {
        settlement.delivery.message
        for unit in settles
        for settlement in unit.effective
        if settlement.state.final
    }
    return let_go(connection, finished)


def _settle_each(connection: sqlite3.Connection, unit: Settle) -> None:
    """Try one change after the other, and strike from the unit what takes no effect."""
    effective: list[Settlement] = []
    attempts: list[Row | None] = []
    entries: list[Row | None] = []
    for at, settlement in enumerate(unit.settlements):
        if insert(connection, "settle", [unit.changes[at]]):
            effective.append(settlement)
            attempts.append(unit.attempts[at])
            entries.append(unit.entries[at])
    unit.effective, unit.attempts, unit.entries = effective, attempts, entries
    unit.result = len(effective)


def let_go(connection: sqlite3.Connection, messages: Iterable[int]) -> list[str]:
    """Delete the bodies that these messages need no more; return the files to delete."""
    wanted = list(messages)
    if not wanted:
        return []
    rows = connection.execute(SQLITE["bodies to let go"], (as_json(wanted),)).fetchall()
    if rows:
        connection.execute(SQLITE["let bodies go"], (as_json([row[0] for row in rows]),))
    return [row[1] for row in rows if row[1] is not None]
