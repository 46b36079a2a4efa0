"""Idle connections: the freshest of a way is used, the oldest of all goes first."""

from __future__ import annotations

from typing import cast

from postwicket.delivery.connection import Connection
from postwicket.delivery.idle import Idle
from postwicket.delivery.way import Way


class Open:
    """As much of a connection as matters here."""

    def __init__(self, key: str, free_since: float) -> None:
        self.way = Way(key, ())
        self.free_since = free_since


def test_by_way_and_by_age() -> None:
    idle = Idle()
    old, new, other = (
        cast("Connection", Open(key, since)) for key, since in (("a", 1), ("a", 2), ("b", 0))
    )
    for connection in (old, new, other):
        idle.keep(connection)
    assert len(idle) == 3
    assert idle.of("c") == []
    assert idle.oldest() is other
    assert idle.take("a") is new
    idle.discard(new)  # is not here any more
    assert list(idle) == [old, other]
    idle.discard(other)
    assert len(idle) == 1
    assert idle.of("b") == []
