"""What came back is kept, also when the message's own bytes are not kept any more."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from postwicket.message.comeback import read_comeback
from postwicket.returns.changes import Arrival
from postwicket.trust.return_path import Purpose, Returned
from tests.returns.port25 import open_port25
from tests.returns.test_session import NO_SUCH, fresh


def arrival() -> Arrival:
    return Arrival(at=time.time(), peer="192.0.2.7", listener="inbound 0.0.0.0:25")


def test_a_notice_quotes_the_header_that_came_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_port25(tmp_path) as here:
            ours = fresh()
            await here.sent(ours)
            assert ours.id not in here.shop.memory.kept_bodies, "it was let go"
            comeback = read_comeback(NO_SUCH.replace("Subject: tea", "Subject: cake").encode())
            returned = Returned(Purpose.BOUNCE, ours.id, 1)
            await here.reception.keeping.notice(ours, returned, comeback, arrival())
            (notice,) = here.kept()
            assert b"cake" in b"".join(here.shop.queue.content(notice.id).pieces())

    asyncio.run(story())


def test_an_unsubscribe_holds_whatever_became_of_the_message(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_port25(tmp_path) as here:
            ours, keeping = fresh(lane="bulk"), here.reception.keeping
            await here.sent(ours)
            comeback = read_comeback(NO_SUCH.encode())

            def leaving(number: int) -> Returned:
                return Returned(Purpose.UNSUBSCRIBE, ours.id, number)

            await keeping.notice(ours, Returned(Purpose.BOUNCE, ours.id, 1), comeback, arrival())
            assert here.states(ours.id) == ["failed"]
            assert await keeping.unsubscribe(ours, leaving(1), "one click", arrival())
            lanes = {one.lane for one in here.shop.store.suppressions(limit=9)}
            assert lanes == {"", "bulk"}
            two = fresh("bob@example.com", "eve@example.com")
            assert not await keeping.unsubscribe(two, leaving(0), "one click", arrival())

    asyncio.run(story())
