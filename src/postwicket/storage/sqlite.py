"""The store on SQLite: accounts, domains, desk, inbox and story over one connection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from postwicket.core.entry import Entry
from postwicket.core.queue_id import QueueId, QueueIds

from .bodies import BodyStore
from .comebacks import SUPPRESSED, SqliteSuppressions
from .database import Database, storage_errors
from .doubt import LEFT_IN_DOUBT, left_in_doubt
from .generation import Generation
from .named import SQLITE
from .removing import remove_messages
from .rows import as_json, entry_row
from .sqlite_desk import SqliteDesk
from .sqlite_directory import SqliteDirectory
from .sqlite_domains import SqliteDomains
from .sqlite_story import SqliteInbox, SqliteStory
from .sqlite_tls import SqliteTlsReports

# Forgotten in one transaction: others want to write too.
_AT_ONCE: Final = 500
# Seconds by which a queue id may be younger than the message it names.
_SLACK: Final = 86_400.0


class SqliteStore(
    SqliteDirectory,
    SqliteDomains,
    SqliteDesk,
    SqliteSuppressions,
    SqliteTlsReports,
    SqliteInbox,
    SqliteStory,
):
    """`Store` on the database at `path`; made by `opening.open_store`.  Any thread may call."""

    def __init__(self, path: Path, bodies: BodyStore) -> None:
        database = Database(path)
        with storage_errors():
            generation = Generation(path.parent / "generation")
            self._suppressed = Generation(path.parent / SUPPRESSED)
        self.bodies = bodies
        SqliteDirectory.__init__(self, database, generation)
        SqliteDomains.__init__(self, database, generation)
        SqliteDesk.__init__(self, database, bodies)
        SqliteSuppressions.__init__(self, database, self._suppressed)
        SqliteInbox.__init__(self, database, bodies)
        SqliteStory.__init__(self, database)

    def record(self, entry: Entry) -> None:
        """Append one entry by itself; returns when it is on stable storage."""
        with self._database.writing() as connection:
            connection.execute(SQLITE["add entries"], entry_row(entry))

    def forget(self, *, before: float) -> int:
        """Delete finished messages received before then, and journal entries; return how many."""
        wanted = {"before": before, "bound": QueueIds(0).next(before + _SLACK), "limit": _AT_ONCE}
        forgotten, ids = 0, [0]
        while ids:
            with self._database.writing() as connection:
                rows = connection.execute(SQLITE["finished before"], wanted).fetchall()
                ids = [row[0] for row in rows]
                files = remove_messages(connection, ids)
            for file in files:
                self.bodies.delete(file)
            forgotten += len(ids)
        removed = 1
        while removed:
            with self._database.writing() as connection:
                values = (before, _AT_ONCE * 10)
                removed = connection.execute(SQLITE["remove entries"], values).rowcount
        return forgotten

    def tidy(self, *, now: float, released_slots: Sequence[int]) -> None:
        """Release the claims of dead slots and delete body files that no message owns."""
        slots = as_json(list(released_slots))
        with self._database.writing() as connection:
            held = connection.execute(SQLITE["held by slots"], (slots,)).fetchall()
            connection.execute(SQLITE["release slots"], {"slots": slots, "why": LEFT_IN_DOUBT})
            connection.executemany(
                SQLITE["add entries"],
                [
                    entry_row(
                        left_in_doubt(
                            now, QueueId(message), number, recipient, route, attempts, due
                        )
                    )
                    for message, number, recipient, route, attempts, due in held
                ],
            )
            connection.execute(SQLITE["end suppressions"], (now,))
        with storage_errors():
            # The folder is listed before the rows: what is stored between has both.
            files = self.bodies.old_files(now=now)
            owned = {row[0] for row in self._database.read("all files")} if files else set()
            for file in files:
                if file not in owned:
                    self.bodies.delete(file)

    def close(self) -> None:
        """Let go of the database."""
        self.finish_uses()
        self._database.close()
        self._generation.close()
        self._suppressed.close()
