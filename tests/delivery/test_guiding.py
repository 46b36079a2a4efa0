"""The directions of a configuration: static hosts are destinations of their own."""

from __future__ import annotations

import asyncio

from postwicket.config.settings import Settings
from postwicket.delivery.destination import Destination
from postwicket.delivery.guiding import guide_for
from postwicket.smtp.client.answer import Answer


def test_static_hosts_and_the_unknown() -> None:
    settings = Settings.model_validate(
        {
            "hostname": "us.example",
            "host": ({"name": "example.com", "address": "127.0.0.1:2525"},),
        }
    )
    guide = guide_for(settings)
    found = asyncio.run(guide.find("example.com"))
    assert isinstance(found, Destination)
    assert found.exchangers[0].addresses[0].port == 2525
    assert isinstance(asyncio.run(guide.find("nowhere.example")), Answer)
