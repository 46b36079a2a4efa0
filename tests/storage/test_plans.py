"""A long queue costs what a short one costs: every hot statement walks an index, none a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from postwicket.storage.batch import Writer
from postwicket.storage.named import SQLITE
from postwicket.storage.opening import open_store
from postwicket.storage.sqlite import SqliteStore

# Statements for people that walk a table on purpose: a listing of everything.
WALKS = {"counts", "accounts", "select all", "all files"}
# A few rows in an index that holds nothing else, walked as far as LIMIT says.
BOUNDED = {
    "SCAN d USING INDEX delivery_open",
    "SCAN delivery USING INDEX delivery_captured",
}


# What only names the hot path's columns has no plan; triggers are looked into below.
MAKERS = {name for name in SQLITE if name.endswith((" view", " trigger"))}


def inside() -> list[str]:
    """Return the statements of all triggers, as they would read outside of one."""
    bodies = [re.sub(r"(?s).*?\bBEGIN\b(.*)END", r"\1", SQLITE[name]) for name in sorted(MAKERS)]
    found = [part.strip() for body in bodies if "CREATE" not in body for part in body.split(";")]
    plain = [re.sub(r"\b(NEW|OLD)\.\w+", "?1", part) for part in found if part]
    return [re.sub(r"RAISE\(.*?\)", "1", part) for part in plain]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    found = open_store(tmp_path)
    Writer(found._database._connection, lambda _unit, _error: None)  # makes the views
    yield found
    found.close()


def look(store: SqliteStore, statement: str, parameters: dict[str, int] | list[int]) -> list[str]:
    """Return the lines of the plan; none of them may walk a table."""
    with store._database.writing() as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    lines = [row[3] for row in rows]
    for line in lines:
        if line.startswith("SCAN") and line not in BOUNDED:
            # Left over: lists handed in, the few slots, the times in which there was mail.
            assert re.match(
                r"SCAN (json_each|slot|time|\(subquery|\d+ CONSTANT|CONSTANT ROW)", line
            ), line
    return lines


@pytest.mark.parametrize("name", sorted(set(SQLITE) - WALKS - MAKERS))
def test_no_statement_walks_a_table(store: SqliteStore, name: str) -> None:
    statement = SQLITE[name]
    names = set(re.findall(r":(\w+)", statement))
    lines = look(
        store, statement, dict.fromkeys(names, 1) if names else [1] * statement.count("?")
    )
    for line in lines:
        assert name in {"attempts of", "find due", "find"} or "TEMP B-TREE" not in line, line


def test_no_trigger_walks_a_table(store: SqliteStore) -> None:
    statements = inside()
    assert len(statements) >= 18
    for statement in statements:
        lines = look(store, statement, [1] if "?1" in statement else [])
        assert not any("TEMP B-TREE" in line for line in lines), lines
