"""Write a batch of units in one transaction: one statement when it can be, a few otherwise.

A batch is first written as if all were well, which constraints, fences and limits check within
the statement (see sql/writing.sql); if they object, nothing has happened yet, and the units are
written one by one, so that one bad unit fails alone and a used-up day refuses what is above it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

from .charging import charge
from .named import SQLITE, many
from .rows import Row, as_json
from .units import FREE, Accept, Call, Record, Settle, Unit
from .values import Settlement

# Rows in one statement: each number of rows is a statement that is prepared once and kept.
LONGEST_STATEMENT: Final = 32

# What RAISE says in sql/writing.sql.
_FENCED: Final = "fenced"

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

Statement = tuple[str, Row]


class Writer:
    """Writes batches through a connection, to which it adds its temporary views.

    `blame` is told of a unit that could not be written while others were.
    """

    def __init__(
        self, connection: sqlite3.Connection, blame: Callable[[Unit, Exception], None]
    ) -> None:
        self._connection = connection
        self._blame = blame
        self._files: list[str] = []
        connection.create_function("file_let_go", 1, self._files.append)
        for name in ("incoming", "settled"):
            connection.execute(SQLITE[f"{name} view"])
        for name in ("incoming", "charge", "loose", "settled", "file"):
            connection.execute(SQLITE[f"{name} trigger"])

    def write(self, units: Sequence[Unit]) -> list[str]:
        """Write the units and set their results; return body files to delete now.

        Raises what the driver raises when the database cannot be written at all: then nothing
        of any unit is.
        """
        self._files.clear()
        try:
            self._together(units)
        except Exception as error:
            self._roll_back()
            if _cannot_write(error):
                raise
            self._one_by_one(units)
        return self._files.copy()

    def _together(self, units: Sequence[Unit]) -> None:
        statements = _statements(units)
        calls = [unit for unit in units if isinstance(unit, Call)]
        if len(statements) == 1 and not calls:
            self._connection.execute(*statements[0])
        elif statements or calls:
            self._connection.execute("BEGIN IMMEDIATE")
            for text, values in statements:
                self._connection.execute(text, values)
            for call in calls:
                call.result = call.function(self._connection)
            self._connection.execute("COMMIT")

    def _one_by_one(self, units: Sequence[Unit]) -> None:
        self._files.clear()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for unit in units:
                self._in_savepoint(unit)
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _in_savepoint(self, unit: Unit) -> None:
        files = len(self._files)
        self._connection.execute("SAVEPOINT unit")
        try:
            self._alone(unit)
        except Exception as error:
            if _cannot_write(error):
                raise
            self._connection.execute("ROLLBACK TO unit")
            del self._files[files:]
            self._blame(unit, error)
        self._connection.execute("RELEASE unit")

    def _alone(self, unit: Unit) -> None:
        """Write one unit within the open transaction, looking at every step."""
        if isinstance(unit, Accept) and unit.new.charge is not None:
            unit.result = charge(self._connection, unit.new, unit.new.charge)
            if unit.result is not None:
                return
            unit.charge = FREE  # done
        elif isinstance(unit, Settle):
            self._settle_each(unit)
        elif isinstance(unit, Call):
            unit.result = unit.function(self._connection)
        for text, values in _statements([unit]):
            self._connection.execute(text, values)

    def _settle_each(self, unit: Settle) -> None:
        """Try one settlement after the other, and strike from the unit what takes no effect."""
        effective: list[Settlement] = []
        for settlement, row in zip(unit.settlements, unit.rows, strict=True):
            try:
                self._connection.execute(SQLITE["settle"], row)
            except sqlite3.IntegrityError as error:
                if str(error) != _FENCED:
                    raise
            else:
                effective.append(settlement)
        unit.effective, unit.result, unit.rows = effective, len(effective), []

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def insert(connection: sqlite3.Connection, name: str, rows: Sequence[Row]) -> None:
    """Execute a statement for many rows in as few calls as may be."""
    for text, values in _in_parts(name, rows):
        connection.execute(text, values)


def _statements(units: Sequence[Unit]) -> list[Statement]:
    """Return what writes the units, save what their functions do: mostly one statement."""
    accepts: list[Accept] = []
    settlements: list[Row] = []
    loose: list[Row] = []
    for unit in units:
        if isinstance(unit, Accept):
            accepts.append(unit)
        elif isinstance(unit, Settle):
            settlements += unit.rows
            if unit.effective:
                accepts += unit.notices
        elif isinstance(unit, Record):
            loose.append(unit.row)
    statements = _in_parts("settle", settlements)
    if accepts:
        statements += _in_parts("add messages", _incoming(accepts, loose))
        statements += _in_parts("add deliveries", [row for a in accepts for row in a.deliveries])
        statements += _in_parts("add keys", [row for a in accepts for row in a.keys])
    else:
        statements += _in_parts("add entries", loose)
    return statements


def _incoming(accepts: Sequence[Accept], loose: Sequence[Row]) -> list[Row]:
    rows = [(*unit.row, *unit.charge, None) for unit in accepts]
    if loose:
        rows[0] = (*rows[0][:-1], as_json(loose))
    return rows


def _in_parts(name: str, rows: Sequence[Row]) -> list[Statement]:
    parts = (rows[at : at + LONGEST_STATEMENT] for at in range(0, len(rows), LONGEST_STATEMENT))
    return [(many(name, len(part)), tuple(chain.from_iterable(part))) for part in parts]


def _cannot_write(error: Exception) -> bool:
    """Say whether the database failed, rather than the unit."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CANNOT_WRITE
