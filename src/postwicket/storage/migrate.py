"""Bring a database to the version of this program, or say why not.

The usual case, a database of the right version, is found out with one plain query: SQLAlchemy
and Alembic are imported only when there is something to do.  An older database is upgraded in
one transaction; a newer one is refused, because this program cannot know what it means.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .fair_lock import FairLock
from .interfaces import StorageUnavailable
from .ownership import adopt

if TYPE_CHECKING:  # importing SQLAlchemy takes longer than most commands
    from sqlalchemy import Connection

# Oldest first; each is a file in migrations/versions.
VERSIONS: Final = ("0001", "0002", "0003", "0004")
HEAD: Final = VERSIONS[-1]
# Measured with 4 KiB messages in batches of 20, accepted and delivered: 4096 and 8192 cost the
# same within the noise, 16384 a tenth more (whole pages are logged); 8192 overflows less often.
PAGE_SIZE: Final = 8192


def migrate(path: Path) -> None:
    """Make the database if there is none, and bring it to HEAD.

    Raises `StorageUnavailable` when it is newer than this program or cannot be opened.
    """
    try:
        if _version(path) == HEAD:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(FairLock(path.parent)) as lock, lock:
            _bring_to_head(path)
    except (sqlite3.Error, OSError) as error:
        raise StorageUnavailable(f"{path} cannot be opened: {error}") from error


def _version(path: Path) -> str | None:
    """Return the database's version, or None when there is none yet; refuse unknown ones."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        known = connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'alembic_version'"
        ).fetchone()[0]
        row = connection.execute("SELECT version_num FROM alembic_version") if known else None
        found = row.fetchone() if row else None
    if found is None:
        return None
    if found[0] not in VERSIONS:
        raise StorageUnavailable(
            f"{path} was written by a newer Postwicket (version {found[0]}, this one knows "
            f"{HEAD}); upgrade Postwicket, or give it another data folder"
        )
    return str(found[0])


def _bring_to_head(path: Path) -> None:
    if _version(path) == HEAD:
        return  # another process was quicker
    if not path.exists():
        # Mail and password hashes are nobody else's business.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        adopt(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        _upgrade(raw)


def _upgrade(raw: sqlite3.Connection) -> None:
    from sqlalchemy import create_engine, event  # noqa: PLC0415 (slow to import, seldom needed)
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415 (the same)

    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver would begin too late to take the tables back when a version fails.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        upgrade(connection)


def upgrade(connection: Connection, version: str = "head") -> None:
    """Run the missing versions on an open connection, up to one of them."""
    from alembic import command  # noqa: PLC0415 (slow to import, seldom needed)
    from alembic.config import Config  # noqa: PLC0415 (the same)

    config = Config()
    config.set_main_option(
        "script_location", str(Path(__file__).parent / "migrations").replace("%", "%%")
    )
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, version)
