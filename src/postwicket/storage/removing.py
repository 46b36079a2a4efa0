"""Take messages out of the database with everything that hangs on them, save the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from .named import SQLITE
from .rows import as_json, key_rows, messages_from


def remove_messages(connection: sqlite3.Connection, ids: Sequence[int]) -> list[str]:
    """Delete the messages; return the body files to delete after the commit."""
    if not ids:
        return []
    wanted = (as_json(ids),)
    rows = connection.execute(SQLITE["messages"], wanted).fetchall()
    deliveries = connection.execute(SQLITE["deliveries"], wanted).fetchall()
    for message in messages_from(rows, deliveries):
        connection.executemany(SQLITE["remove key"], key_rows(message))
    files = connection.execute(SQLITE["files of"], wanted).fetchall()
    for name in ("let bodies go", "remove attempts", "remove deliveries", "remove messages"):
        connection.execute(SQLITE[name], wanted)
    return [row[0] for row in files]
