"""Migrations: their sum is the schema; an old database opens, a newer one is refused."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from postwicket.storage import migrate
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.migrate import HEAD, VERSIONS
from postwicket.storage.schema import metadata

MIGRATIONS = Path(migrate.__file__).parent / "migrations"


def shape(path: Path) -> list[tuple[str, str, str]]:
    """Return every table and index as SQLite was told to make it; columns in any order."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
            " AND name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite%' ORDER BY name"
        ).fetchall()
    return [(kind, name, unordered(sql) if kind == "table" else sql) for kind, name, sql in rows]


def unordered(sql: str) -> str:
    """Return a statement with the parts of its outer brackets sorted: new columns come last."""
    start, _, rest = " ".join(sql.split()).partition("(")
    inside, _, end = rest.rpartition(")")
    parts = re.split(r",\s*(?![^()]*\))", inside.strip())
    return f"{start}({', '.join(sorted(part.strip() for part in parts))}){end}"


def test_the_schema_is_the_sum_of_the_migrations(tmp_path: Path) -> None:
    migrate.migrate(tmp_path / "migrated.db")
    with closing(sqlite3.connect(tmp_path / "made.db")) as raw:
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        metadata.create_all(engine)
        engine.dispose()
    assert shape(tmp_path / "migrated.db") == shape(tmp_path / "made.db")
    with closing(sqlite3.connect(tmp_path / "migrated.db")) as raw:
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()


def test_every_version_is_listed_and_the_last_is_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    found = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(found)) == VERSIONS
    assert scripts.get_current_head() == HEAD


def test_a_database_without_a_version_is_brought_to_head(tmp_path: Path) -> None:
    path = tmp_path / "data" / "postwicket.db"
    migrate.migrate(path)
    migrate.migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [(HEAD,)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA page_size").fetchone() == (migrate.PAGE_SIZE,)
    assert path.stat().st_mode & 0o077 == 0


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "postwicket.db"
    migrate.migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(StorageUnavailable, match=r"newer Postwicket .version 9999.*upgrade"):
        migrate.migrate(path)


def test_a_migration_that_is_cut_short_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "postwicket.db"

    def fails(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("the disk was pulled")

    with monkeypatch.context() as broken:
        broken.setattr(Operations, "create_index", fails)  # some tables exist by then
        with pytest.raises(StorageUnavailable, match="the disk was pulled"):
            migrate.migrate(path)
    assert shape(path) == []
    migrate.migrate(path)
    assert shape(path) != []


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "postwicket.db"
    path.write_bytes(b"dear diary, " * 500)
    with pytest.raises(StorageUnavailable, match="cannot be opened"):
        migrate.migrate(path)
    assert path.read_bytes() == b"dear diary, " * 500


def test_an_up_to_date_database_needs_no_sqlalchemy(tmp_path: Path) -> None:
    migrate.migrate(tmp_path / "postwicket.db")
    code = (
        "import sys; from pathlib import Path; from postwicket.storage.opening import open_store;"
        f"open_store(Path({str(tmp_path)!r})).close();"
        "sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
