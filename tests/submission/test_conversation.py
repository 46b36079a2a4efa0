"""A conversation knows EHLO, RSET and QUIT, and survives the answers of whoever extends it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from postwicket.config import Listener
from postwicket.core.reply import Reply
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import Mail
from postwicket.submission.conversation import Conversation
from postwicket.submission.listening import Listening, terms_of
from tests.submission.shop import Shop, open_shop

OPEN = Listener(address="127.0.0.1:0", tls="none", account="ann@example.org")


class Clumsy(Conversation):
    """Fails on one sender, is slow for another, and likes the rest."""

    __slots__ = ()

    def _mail(self, mail: Mail) -> Reply | None:
        if mail.sender.address is None:
            raise RuntimeError("a bug")
        if mail.sender.address.local == "slow":
            self._work(self._in_time())
            return None
        return replies.SENDER_OK

    async def _in_time(self) -> Reply:
        await asyncio.sleep(0)
        return Reply(250, (1, 0), "at last")

    ANSWERS = {**Conversation.ANSWERS, Mail: _mail}  # noqa: RUF012 (declared where it is read)


def talk(folder: Path, *lines: str, draining: bool = False) -> tuple[list[str], Shop]:
    async def story() -> tuple[list[str], Shop]:
        async with open_shop(folder) as shop:
            terms = terms_of(OPEN, hostname="mail.example.org", size=1000, recipients=1)
            listening = Listening(settings=OPEN, terms=terms, certificates=None)
            woken = asyncio.Event()
            conversation = Clumsy(listening, shop.counter, "192.0.2.1", woken.set)
            shop.counter.draining = draining
            conversation.greet()
            heard = [conversation.data_to_send().decode()]
            for line in lines:
                conversation.receive(line.encode() + b"\r\n")
                if conversation.waiting:
                    await asyncio.wait_for(woken.wait(), 5)
                heard.append(conversation.data_to_send().decode())
            return heard, shop

    return asyncio.run(story())


def test_it_greets_and_takes_leave(tmp_path: Path) -> None:
    heard, _ = talk(tmp_path, "EHLO there", "RSET", "QUIT")
    assert heard[0] == "220 mail.example.org ESMTP Postwicket\r\n"
    assert heard[1].startswith("250-mail.example.org at your service, [192.0.2.1]\r\n")
    assert [reply[:3] for reply in heard[2:]] == ["250", "221"]


def test_an_answer_may_take_its_time(tmp_path: Path) -> None:
    heard, _ = talk(tmp_path, "EHLO there", "MAIL FROM:<slow@example.net>")
    assert heard[-1] == "250 2.1.0 at last\r\n"


def test_a_bug_ends_this_session_and_is_reported(tmp_path: Path) -> None:
    heard, shop = talk(tmp_path, "EHLO there", "MAIL FROM:<>")
    assert heard[-1].startswith("421 4.3.0 ")
    assert [str(bug) for bug in shop.bugs] == ["a bug"]


def test_nobody_is_greeted_by_a_worker_that_goes_home(tmp_path: Path) -> None:
    heard, _ = talk(tmp_path, draining=True)
    assert heard[0].startswith("421 4.3.2 ")
