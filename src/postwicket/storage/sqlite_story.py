"""The inbox of captured mail and the story of every message, on SQLite."""

from __future__ import annotations

import json
from collections.abc import Sequence

from postwicket.core.queue_id import QueueId
from postwicket.core.state import State

from .batch import let_go
from .bodies import BodyStore
from .database import Database
from .interfaces import Conflict, Content
from .named import SQLITE
from .removing import remove_messages
from .rows import Row, as_json, messages_from, queue_row
from .selecting import delivery_of
from .sqlite_queue import content_from
from .values import Attempt, CapturedMessage, Happening, Life, Message
from .words import hash_of, spellings_of, words_of


class SqliteInbox:
    """`Inbox` on a database."""

    def __init__(self, database: Database, bodies: BodyStore) -> None:
        self._database = database
        self._bodies = bodies

    def captured(self, *, limit: int) -> list[CapturedMessage]:
        """Return captured messages, newest first."""
        ids = [row[0] for row in self._database.read("captured", (limit,))]
        found = self._captured(ids)
        return [found[key] for key in ids if key in found]

    def captured_message(self, id: QueueId) -> CapturedMessage | None:
        """Return one, or None."""
        return self._captured([id]).get(id)

    def _captured(self, ids: Sequence[int]) -> dict[int, CapturedMessage]:
        wanted = (as_json(ids),)
        deliveries = self._database.read("deliveries", wanted)
        recipients: dict[int, list[str]] = {}
        for row in deliveries:
            if row[5] == State.CAPTURED.value:
                recipients.setdefault(row[0], []).append(row[2])
        return {
            message.id: CapturedMessage(message=message, recipients=tuple(recipients[message.id]))
            for message in messages_from(self._database.read("messages", wanted), deliveries)
            if message.id in recipients
        }

    def source(self, id: QueueId) -> Content:
        """Return a captured message exactly as it would have gone out; raise `Conflict`."""
        if not self._database.read("captured message", (id,)):
            raise Conflict("there is no such message in the inbox")
        return content_from(self._database.read("content", (id,)), self._bodies)

    def clear(self) -> int:
        """Delete all captured messages; return how many.

        A message that also went elsewhere stays without the deliveries that were captured.
        """
        with self._database.writing() as connection:
            alone = [row[0] for row in connection.execute(SQLITE["only captured"])]
            files = remove_messages(connection, alone)
            rest = {row[0] for row in connection.execute(SQLITE["remove captured"])}
            files += let_go(connection, rest)
        for file in files:
            self._bodies.delete(file)
        return len(alone) + len(rest)


class SqliteStory:
    """`Story` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, query: str, *, limit: int) -> list[QueueId]:
        """Return messages by queue id, Message-ID, sender or recipient, newest first."""
        key = delivery_of(query)
        if key is not None and self._messages([key[0]]):
            return [key[0]]
        for spelling in spellings_of(query):
            rows = self._database.read("find", {"hash": hash_of(spelling), "limit": limit})
            found = self._messages([row[0] for row in rows])
            # Two words may share a key; the message knows its own.
            ids = [message.id for message in found if spelling in words_of(message)]
            if ids:
                return sorted(ids, reverse=True)
        return []

    def life(self, id: QueueId) -> Life | None:
        """Return everything that is known of one message, or None."""
        found = self._messages([id])
        if not found:
            return None
        message = found[0]
        sender = message.envelope.return_path
        rows = self._database.read("deliveries", (as_json([id]),))
        happenings = self._database.read("happenings of", (id,))
        attempts = self._database.read("attempts of", (id,))
        return Life(
            message=message,
            deliveries=tuple(queue_row(row, sender) for row in rows),
            happenings=tuple(_happening(row) for row in happenings),
            attempts=tuple((row[0], _attempt(row)) for row in attempts),
        )

    def journal(self, *, kind: str | None, since: float, limit: int) -> list[Happening]:
        """Return entries, newest first."""
        wanted = {"kind": kind, "since": since, "limit": limit}
        return [_happening(row) for row in self._database.read("journal", wanted)]

    def _messages(self, ids: Sequence[int]) -> list[Message]:
        wanted = (as_json(ids),)
        return messages_from(
            self._database.read("messages", wanted), self._database.read("deliveries", wanted)
        )


def _happening(row: Row) -> Happening:
    message = None if row[2] is None else QueueId(row[2])
    return Happening(at=row[0], kind=row[1], message=message, data=json.loads(row[3]))


def _attempt(row: Row) -> Attempt:
    return Attempt(
        at=row[1],
        seconds=row[2],
        route=row[3],
        remote=row[4],
        tls=row[5],
        reply=row[6],
        transcript=row[7],
        trust=row[8],
    )
