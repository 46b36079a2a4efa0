"""Open connections that nobody uses: kept by the key of their way, the freshest used first."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from .connection import Connection


class Idle:
    """The idle connections of one pool."""

    __slots__ = ("_by_key", "_count")

    def __init__(self) -> None:
        self._by_key: dict[Hashable, list[Connection]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Connection]:
        return iter([one for kept in self._by_key.values() for one in kept])

    def keep(self, connection: Connection) -> None:
        """Take a connection in."""
        self._by_key.setdefault(connection.way.key, []).append(connection)
        self._count += 1

    def of(self, key: Hashable) -> list[Connection]:
        """Return those of a way, the freshest last."""
        return self._by_key.get(key, [])

    def take(self, key: Hashable) -> Connection:
        """Let the freshest one of a way go."""
        connection = self._by_key[key][-1]
        self.discard(connection)
        return connection

    def oldest(self) -> Connection:
        """Return the one that nobody has used for longest."""
        return min(self, key=lambda connection: connection.free_since)

    def discard(self, connection: Connection) -> None:
        """Let this one go, if it is here."""
        kept = self._by_key.get(connection.way.key, [])
        if connection in kept:
            kept.remove(connection)
            self._count -= 1
            if not kept:
                del self._by_key[connection.way.key]
