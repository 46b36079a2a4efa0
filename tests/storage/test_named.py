"""Named statements: each has its reason, and SQLite understands every one."""

from __future__ import annotations

import pytest

from postwicket.storage.named import SQLITE, many, read_named, repeated


def test_a_statement_needs_a_reason_and_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match="says why"):
        read_named("-- one --\nSELECT 1;\n")
    with pytest.raises(ValueError, match="a statement"):
        read_named("-- one --\n-- Because.\n")
    with pytest.raises(ValueError, match="two statements"):
        read_named("-- one --\n-- Because.\nSELECT 1;\n" * 2)


def test_rows_are_repeated_wherever_they_stand() -> None:
    assert repeated("X VALUES (?, 'a') Y", 3) == "X VALUES (?, 'a'), (?, 'a'), (?, 'a') Y"
    with pytest.raises(ValueError, match="no row"):
        repeated("SELECT 1", 2)
    assert many("add keys", 2) is many("add keys", 2)
    assert many("add keys", 1) == SQLITE["add keys"]
