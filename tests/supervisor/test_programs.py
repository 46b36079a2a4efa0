"""The installed programs: the storage is opened and closed, and claims are released."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from postwicket.journal.log import Log
from postwicket.storage.database import FILE
from postwicket.supervisor.errors import CannotServe
from postwicket.supervisor.programs import InstalledPrograms


def collect() -> tuple[InstalledPrograms, list[bytes]]:
    said: list[bytes] = []
    return InstalledPrograms(Log(said.append)), said


def test_the_database_is_made_at_the_start(tmp_path: Path) -> None:
    programs, said = collect()
    programs.open_storage(tmp_path)
    assert (tmp_path / FILE).exists()
    programs.release(tmp_path, 3)
    assert said == []


def test_a_database_of_a_newer_version_stops_the_start(tmp_path: Path) -> None:
    programs, said = collect()
    programs.open_storage(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(CannotServe, match="newer Postwicket"):
        programs.open_storage(tmp_path)
    programs.release(tmp_path, 3)  # a worker that crashed must not take the supervisor along
    assert b"claims could not be released" in said[0]
