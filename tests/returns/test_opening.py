"""What is made from the settings."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from postwicket.config import Settings
from postwicket.core.queue_id import QueueIds
from postwicket.delivery.returning import return_paths
from postwicket.returns.opening import (
    open_reception,
    open_unsubscribing,
    unsubscribe_links,
)
from postwicket.storage.bodies import BodyStore
from postwicket.storage.memory import Memory, MemoryQueue
from postwicket.trust.return_path import Purpose, Returned


def settings(data: Path, **returns: str) -> Settings:
    return Settings.model_validate(
        {"hostname": "mail.example.org", "data": str(data), "returns": returns}
    )


def test_return_paths_need_a_domain_and_links_do_not(tmp_path: Path) -> None:
    assert return_paths(settings(tmp_path)) is None
    made = settings(tmp_path, domain="returns.example.org")
    paths, again = return_paths(made), return_paths(made)
    assert paths is not None
    assert paths == again, "the key is kept"
    now = time.time()
    assert unsubscribe_links(made) is None
    here = settings(tmp_path, unsubscribe_url="https://news.example.org/")
    links = unsubscribe_links(here)
    assert links is not None
    message = QueueIds(1).next(now)
    link = links.link(message)
    assert link.startswith("https://news.example.org/unsubscribe/u-")
    assert paths.read_token(link.rpartition("/")[2], now=now) == Returned(
        Purpose.UNSUBSCRIBE, message, 1
    )
    assert links.address(message) == "", "nobody listens for it"


def test_a_worker_has_its_reception(tmp_path: Path) -> None:
    async def story() -> None:
        queue = MemoryQueue(Memory(BodyStore(tmp_path)), asyncio.get_running_loop())
        made = settings(tmp_path, domain="returns.example.org", postmaster="ops@example.net")
        reception = open_reception(made, queue, QueueIds(1), frozenset, time.time)
        assert reception.places.paths == return_paths(made)
        links = open_unsubscribing(made, queue, QueueIds(1), time.time)
        assert links.paths == return_paths(made)

    asyncio.run(story())
