"""Migrations: their sum is the schema; an old database opens, a newer one is refused."""

from __future__ import annotations

import asyncio
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

from postwicket.core.envelope import NO_DEMANDS
from postwicket.core.queue_id import QueueId
from postwicket.identity.account import Account, Grant
from postwicket.storage import migrate
from postwicket.storage.database import FILE
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.migrate import HEAD, VERSIONS
from postwicket.storage.opening import open_queue, open_store
from postwicket.storage.schema import metadata
from postwicket.storage.values import Selection

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


FIRST = """
INSERT INTO account (id, address, name, suspended, password_hash, password_over_smtp, created)
VALUES (3, 'ann@example.org', 'Ann', 0, '', 0, 5.0);
INSERT INTO app_password (id, account, label, fingerprint, created, last_peer)
VALUES (9, 3, 'printer', x'00', 5.0, '');
INSERT INTO grant_ (account, pattern) VALUES (3, '@example.com');
INSERT INTO message (id, account, sender, body_type, smtputf8, ret, envid, size, received,
                     expires, message_id, subject, lane, header)
VALUES (1, 'ann@example.org', 'ann@example.org', '7BIT', 0, '', '', 20, 10.0, 1e12, '<1@x>', '1',
        'transactional', x'613a'), (2, 'ann@example.org', '', '8BITMIME', 1, '', '', 20, 9.0, 1e12,
        '<2@x>', 'two', 'bulk', x'613a');
INSERT INTO body (message, size, data) VALUES (1, 4, x'0d0a'), (2, 4, x'0d0a');
INSERT INTO delivery (message, number, recipient, notify, orcpt, state, attempts, due, was_due,
                      claimed_by, warned, route, cause, reply)
VALUES (1, 1, 'bob@example.com', '', '', 'deferred', 2, 50.0, NULL, NULL, 1, 'upstream:x', 'rate',
        '450 later'),
       (1, 2, 'eve@example.com', '', '', 'queued', 0, 900.0, 40.0, 7, 0, '', '', ''),
       (2, 1, 'bob@example.com', '', '', 'queued', 0, 30.0, NULL, NULL, 0, '', '', ''),
       (2, 2, 'eve@example.com', '', '', 'delivered', 1, NULL, NULL, NULL, 0, 'upstream:x', '',
        '250 ok');
INSERT INTO attempt (message, number, count, at, seconds, route, remote, tls, reply, transcript)
VALUES (2, 2, 1, 12.0, 0.5, 'upstream:x', 'mx', 'TLSv1.3', '250 ok', 'S: 250 ok');
INSERT INTO entry (at, kind, message, data) VALUES (10.0, 'accepted', 1, '{"size":20}');
"""


def first_version(path: Path) -> None:
    """Make a database as the first version left it, with something in every table that counts."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        with engine.connect() as connection:
            migrate.upgrade(connection, "0001")
        raw.executescript(FIRST)


def test_what_the_first_version_kept_is_kept(tmp_path: Path) -> None:
    first_version(tmp_path / FILE)
    with closing(open_store(tmp_path)) as store:
        assert store.account("ann@example.org") == Account(
            id=3,
            address="ann@example.org",
            name="Ann",
            grants=frozenset({Grant("@example.com")}),
            created=5.0,
        )
        assert [one.label for one in store.app_passwords("ann@example.org")] == ["printer"]
        rows = store.rows(Selection(), limit=9, all=True)
        assert [(one.recipient, one.state.value, one.lane, one.priority) for one in rows] == [
            ("bob@example.com", "deferred", "transactional", 0),
            ("eve@example.com", "queued", "transactional", 0),
            ("bob@example.com", "queued", "bulk", 0),
            ("eve@example.com", "delivered", "bulk", 0),
        ]
        assert {(one.site, one.why) for one in rows} == {("", "")}
        life = store.life(QueueId(2))
        assert life is not None
        assert life.message.demands == NO_DEMANDS
        assert [(number, one.tls, one.trust) for number, one in life.attempts] == [
            (2, "TLSv1.3", "")
        ]
        assert len(store.journal(kind="accepted", since=0, limit=9)) == 1
        store.tidy(now=60.0, released_slots=[7])


def test_what_waited_in_the_first_version_is_sent_in_the_new_order(tmp_path: Path) -> None:
    first_version(tmp_path / FILE)

    async def claim() -> list[tuple[int, int]]:
        queue = open_queue(tmp_path, asyncio.get_running_loop())
        claimed = await queue.claim(1, now=1000.0, lease_until=2000.0, limit=9)
        content = queue.content(QueueId(1))
        assert b"".join(content.pieces()) == b"a:\r\n"
        await queue.close()
        return [(each.message.id, len(each.deliveries)) for each in claimed]

    # Bulk has waited longest, and is last all the same; the lease of the second has ended.
    assert asyncio.run(claim()) == [(1, 2), (2, 1)]
