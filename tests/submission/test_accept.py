"""The door gives newsletters a way out, where the operator wants it, and leaves all else alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postwicket.config import Listener
from postwicket.storage.values import Selection
from postwicket.trust.return_path import Purpose, Returned, ReturnPaths, UnsubscribeLinks
from tests.submission.shop import ANN, LETTER, Client, Shop, open_shop

PATHS = ReturnPaths(b"k" * 32, "returns.example.org")
LINKS = UnsubscribeLinks(PATHS, "https://news.example.org", by_mail=True)
BULK = b"X-Postwicket-Lane: bulk\r\n" + LETTER


async def hand_in(shop: Shop, content: bytes, *to: str) -> bytes:
    client = await Client.connect(shop.ports["none"])
    await client.hear()
    commands = [f"RCPT TO:<{one}>" for one in to or ("bob@example.com",)]
    await client.script("EHLO app", f"MAIL FROM:<{ANN}>", *commands, "DATA")
    assert (await client.say(content + b".")).startswith("250 ")
    kept = shop.onward.offered[-1][1]
    assert kept is not None
    return kept.header


@pytest.mark.parametrize(
    ("content", "to", "expected"),
    [
        (BULK, (), True),
        (LETTER, (), False),
        (BULK, ("bob@example.com", "eve@example.com"), False),
        (b"List-Unsubscribe: <mailto:x@example.org>\r\n" + BULK, (), False),
    ],
)
def test_bulk_mail_to_one_person_gets_a_link(
    tmp_path: Path, content: bytes, to: tuple[str, ...], expected: bool
) -> None:
    async def story() -> None:
        bound = Listener(address="127.0.0.1:0", tls="none", account=ANN)
        async with open_shop(tmp_path, bound) as shop:
            assert b"https://news" not in await hand_in(shop, content, *to), "nobody asked for it"
            shop.door._links = LINKS
            header = await hand_in(shop, content, *to)
            assert (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in header) is expected
            if expected:
                token = header.partition(b"https://news.example.org/unsubscribe/")[2][:34]
                (claimed, _), now = shop.onward.offered[-1], shop.door._clock()
                assert PATHS.read_token(token.decode(), now=now) == Returned(
                    Purpose.UNSUBSCRIBE, claimed.message.id, 1
                )
                assert claimed.message.size == len(header) + len(b"\r\nAt four?\r\n")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("content", "account", "lane"),
    [
        (LETTER, "transactional", "transactional"),
        (LETTER, "bulk", "bulk"),
        (BULK, "transactional", "bulk"),
        (b"Precedence: list\r\n" + LETTER, "transactional", "bulk"),
        (b"X-Postwicket-Lane: transactional\r\n" + LETTER, "bulk", "transactional"),
    ],
)
def test_the_lane_is_the_messages_else_its_accounts(
    tmp_path: Path, content: bytes, account: str, lane: str
) -> None:
    async def story() -> None:
        bound = Listener(address="127.0.0.1:0", tls="none", account=ANN)
        async with open_shop(tmp_path, bound) as shop:
            shop.store.change_account(ANN, lane=account)
            await hand_in(shop, content)
            claimed, _ = shop.onward.offered[-1]
            assert claimed.message.lane == lane
            (row,) = shop.store.rows(Selection(), limit=9)
            assert row.lane == lane

    asyncio.run(story())
