"""A long queue costs what a short one costs: every hot statement walks an index, none a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from postwicket.storage.named import SQLITE
from postwicket.storage.opening import open_store
from postwicket.storage.sqlite import SqliteStore

# Statements for people that walk a table on purpose: a listing of everything.
WALKS = {"counts", "accounts", "select all", "all files", "domains", "dkim keys"}
# A few rows in an index that holds nothing else, walked as far as LIMIT says.
BOUNDED = {
    "SCAN suppression",  # the first row tells whether there is any
    "SCAN delivery USING INDEX delivery_captured",
}

LISTS = r"SCAN (json_each|slot|free|held|time|\(subquery|change|\d+ CONSTANT|CONSTANT ROW)"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    found = open_store(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("name", sorted(set(SQLITE) - WALKS))
def test_no_statement_walks_a_table(store: SqliteStore, name: str) -> None:
    statement = SQLITE[name]
    names = set(re.findall(r":(\w+)", statement))
    parameters: dict[str, int] | list[int] = (
        dict.fromkeys(names, 1) if names else [1] * statement.count("?")
    )
    with store._database.writing() as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    for line in (row[3] for row in rows):
        if line.startswith("SCAN") and line not in BOUNDED:
            # Left over: lists handed in, the few slots and urgencies, the times of mail.
            assert re.match(LISTS, line), line
        assert name in {"attempts of", "find"} or "TEMP B-TREE" not in line, line
