"""FUTURERELEASE, DELIVERBY and MT-PRIORITY through a whole session and the door."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from postwicket.config import Listener
from postwicket.policy.timing import Bounds
from tests.submission.shop import ANN, LETTER, Client, Shop, open_shop

NONE = Listener(address="127.0.0.1:0", tls="none", account=ANN)
FIELD = b"TLS-Required: No\r\n"


async def hand_in(shop: Shop, parameters: str, content: bytes = LETTER) -> list[str]:
    client = await Client.connect(shop.ports["none"])
    await client.hear()
    said = await client.script(
        "EHLO scanner", f"MAIL FROM:<{ANN}> {parameters}", "RCPT TO:<bob@example.com>", "DATA"
    )
    if said[-1].startswith("354"):
        said.append(await client.say(content + b"."))
    await client.close()
    return said


def open_with(folder: Path, story: str, content: bytes = LETTER) -> tuple[list[str], Shop]:
    async def test() -> tuple[list[str], Shop]:
        async with open_shop(folder, NONE) as shop:
            shop.counter.bounds = Bounds(hold_at_most=86_400, priority=4)
            said = await hand_in(shop, story, content)
            assert shop.bugs == []
            return said, shop

    return asyncio.run(test())


def test_held_mail_is_stored_for_later_and_not_handed_on(tmp_path: Path) -> None:
    said, shop = open_with(tmp_path, "HOLDFOR=3600")
    assert "250-FUTURERELEASE 86400 " in said[0]
    assert said[-1].startswith("250 2.0.0 OK, queued")
    assert shop.onward.offered == []
    (kept,) = shop.memory.deliveries.values()
    (message,) = shop.memory.messages.values()
    assert (
        kept.delivery.due == message.demands.not_before == pytest.approx(time.time() + 3600, abs=5)
    )
    assert message.expires == pytest.approx(time.time() + 4600, abs=5)


def test_held_for_too_long_is_refused_at_mail(tmp_path: Path) -> None:
    said, shop = open_with(tmp_path, "HOLDFOR=86401")
    assert said[1].startswith("501 5.5.4 ")
    assert said[1].endswith("[envelope.hold-too-long]")
    assert not shop.memory.messages


def test_a_deadline_and_a_priority_are_kept_with_the_message(tmp_path: Path) -> None:
    said, shop = open_with(tmp_path, "BY=60;R MT-PRIORITY=9")
    assert said[1] == "250 2.3.6 OK, the priority was lowered to 4"
    ((claimed, _),) = shop.onward.offered
    demands = claimed.message.demands
    assert (demands.priority, demands.by_mode) == (4, "R")
    assert demands.deliver_by == claimed.message.expires == pytest.approx(time.time() + 60, abs=5)


def test_a_header_may_free_the_message_from_tls(tmp_path: Path) -> None:
    _, shop = open_with(tmp_path, "", FIELD + LETTER)
    ((claimed, _),) = shop.onward.offered
    assert claimed.message.demands.tls_optional


def test_what_is_not_offered_is_not_known(tmp_path: Path) -> None:
    said, _ = open_with(tmp_path, "REQUIRETLS")
    assert said[1].startswith("555 5.5.4 ")
