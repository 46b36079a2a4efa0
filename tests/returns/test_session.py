"""Sessions on port 25 over real sockets: what is taken, what is refused, and every attack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postwicket.core.address import Address
from postwicket.core.entry import Refused
from postwicket.core.envelope import Notify, Recipient
from postwicket.core.queue_id import QueueIds, spell
from postwicket.core.state import State
from postwicket.returns import keeping
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.values import Message
from postwicket.trust.return_path import GOOD_FOR, Purpose
from tests.returns.letters import letter
from tests.returns.port25 import Port25, open_port25
from tests.storage.making import born, settled
from tests.submission.shop import Client

Story = Callable[[Port25], Coroutine[Any, Any, None]]
IDS = QueueIds(11)

BOUNCE = """\
From: MAILER-DAEMON@mx.example.com
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; bob@example.com
Action: {action}
Status: {status}
Remote-MTA: dns; inner.example.com
Diagnostic-Code: smtp; {reply}

--x
Content-Type: text/rfc822-headers

Subject: tea
--x--"""
NO_SUCH = BOUNCE.format(action="failed", status="5.1.1", reply="550 5.1.1 no such user")
COMPLAINT = """\
From: fbl@provider.example
Content-Type: multipart/report; report-type=feedback-report; boundary=x

--x
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Button/1.0
{said}
--x
Content-Type: message/rfc822

{returned}
Subject: tea

--x--"""
HOLIDAY = "From: bob@example.com\nSubject: away\nAuto-Submitted: auto-replied\n\nBack on Monday."
PLAIN = "From: bob@example.com\nSubject: hello\n\nHow are you?"


def run(folder: Path, story: Story, **more: Any) -> None:
    async def with_port() -> None:
        async with open_port25(folder, **more) as here:
            await story(here)

    asyncio.run(with_port())


def fresh(*recipients: str | Recipient, lane: str = "transactional") -> Message:
    """Return a message of today."""
    now = time.time()
    made = letter(*recipients, lane=lane)
    return replace(made, id=IDS.next(now), received=now, expires=now + 1000)


# --- what comes back ----------------------------------------------------------------------


def test_a_bounce_fails_the_delivery_and_tells_its_sender(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh("bob@example.com", "eve@example.com")
        await here.sent(ours)
        path = here.paths.mint(ours.id, 1)
        assert (await here.bring(str(path), NO_SUCH)).startswith("250 2.0.0 ")
        assert here.states(ours.id) == ["failed", "delivered"]
        assert here.what() == ["bounce"]
        (gone,) = here.shop.store.suppressions(limit=9)
        assert (gone.address, gone.reason, gone.lane) == ("bob@example.com", "bounce", "")
        (notice,) = here.kept()
        assert str(notice.envelope.recipients[0].address) == "ann@example.org"
        text = b"".join(here.shop.queue.content(notice.id).pieces())
        assert b"Diagnostic-Code: smtp; 550 5.1.1 no such user" in text
        assert b"Remote-MTA: dns; inner.example.com" in text
        # The same again, and once more in another spelling of the address.
        assert (await here.bring(str(path), NO_SUCH)).startswith("250 ")
        assert (await here.bring(str(path).upper(), NO_SUCH)).startswith("250 ")
        assert len(here.kept()) == 1, "what is told twice counts once"

    run(tmp_path, story)


def test_a_bounce_of_a_message_with_several_recipients_is_matched(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh("eve@example.com", "bob@example.com")
        await here.sent(ours)
        await here.bring(str(here.paths.mint(ours.id, 1, several=True)), NO_SUCH)
        assert here.states(ours.id) == ["delivered", "failed"]
        suppressed = here.shop.store.suppressions(limit=9)
        assert suppressed == [], "each of them could have written that of the others"

    run(tmp_path, story)


def test_a_delay_and_a_full_mailbox(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        path = str(here.paths.mint(ours.id, 1))
        await here.bring(path, BOUNCE.format(action="delayed", status="4.4.1", reply="x"))
        assert (here.states(ours.id), here.kept()) == (["delivered"], [])
        await here.bring(path, BOUNCE.format(action="failed", status="5.2.2", reply="552 full"))
        assert here.states(ours.id) == ["failed"]
        assert here.shop.store.suppressions(limit=9) == []

    run(tmp_path, story)


def test_a_success_is_passed_on_once_to_who_asked(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        curious = Recipient(Address.parse("bob@example.com"), frozenset({Notify.SUCCESS}))
        asked, silent = fresh(curious), fresh()
        told = BOUNCE.format(action="delivered", status="2.0.0", reply="250 ok")
        for message in (asked, silent):
            await here.sent(message)
            for _ in range(2):
                await here.bring(str(here.paths.mint(message.id, 1)), told)
        assert here.states(asked.id) == ["delivered"]
        (notice,) = here.kept()
        assert b"Action: delivered" in b"".join(here.shop.queue.content(notice.id).pieces())

    run(tmp_path, story)


@pytest.mark.parametrize(("lane", "expected"), [("bulk", "bulk"), ("transactional", "")])
def test_a_complaint_at_the_return_path(tmp_path: Path, lane: str, expected: str) -> None:
    async def story(here: Port25) -> None:
        ours = fresh(lane=lane)
        await here.sent(ours)
        report = COMPLAINT.format(said="Original-Rcpt-To: redacted", returned="X: y")
        reply = await here.bring(str(here.paths.mint(ours.id, 1)), report, sender="fbl@p.example")
        assert reply.startswith("250 ")
        assert here.states(ours.id) == ["complained"]
        (stopped,) = here.shop.store.suppressions(limit=9)
        assert (stopped.reason, stopped.lane, stopped.expires) == ("complaint", expected, None)
        assert here.kept() == [], "nobody is told, and least of all who complained"

    run(tmp_path, story)


def test_a_complaint_at_abuse_is_matched_by_what_came_back(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        sealed, written = fresh(), fresh()
        for message in (sealed, written):
            await here.sent(message)
        path = here.paths.mint(sealed.id, 1)
        await here.bring(
            "abuse@example.org",
            COMPLAINT.format(said=f"Original-Mail-From: <{path}>", returned="X: y"),
            sender="fbl@p.example",
        )
        ours = f"Received: from app by mail.example.org with ESMTPA\n id {spell(written.id)}; x"
        wrong = f"{ours}\nMessage-ID: <another@app.example.org>"
        await here.bring("abuse@example.org", COMPLAINT.format(said="", returned=wrong))
        assert here.states(written.id) == ["delivered"]
        right = f"{ours}\nMessage-ID: <one@app.example.org>"
        await here.bring("abuse@example.org", COMPLAINT.format(said="", returned=right))
        assert here.states(sealed.id) == here.states(written.id) == ["complained"]
        assert len(here.kept()) == 3, "and people get them all"
        (stopped,) = here.shop.store.suppressions(limit=9)
        assert stopped.message == sealed.id, "what stands in public archives suppresses nobody"

    run(tmp_path, story)


def test_an_unsubscribe_by_mail(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh(lane="bulk")
        await here.sent(ours)
        address = str(here.paths.mint(ours.id, 1, Purpose.UNSUBSCRIBE))
        assert "[returns.sender-needed]" in await here.bring(address, NO_SUCH)
        assert (await here.bring(address, "\nstop", sender="bob@example.com")).startswith("250 ")
        assert here.states(ours.id) == ["unsubscribed"]
        (stopped,) = here.shop.store.suppressions(limit=9)
        assert (stopped.reason, stopped.lane) == ("unsubscribe", "bulk")

    run(tmp_path, story)


def test_a_vacation_is_noted_and_a_person_is_sent_to_from(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        path = str(here.paths.mint(ours.id, 1))
        assert (await here.bring(path, HOLIDAY)).startswith("250 ")
        assert (await here.bring(path, HOLIDAY, sender="bob@example.com")).startswith("250 ")
        refused = await here.bring(path, PLAIN, sender="bob@example.com")
        assert refused.endswith("[returns.not-a-report]")
        assert here.kept() == []
        assert (await here.bring(path, PLAIN)).startswith("250 ")
        assert here.what() == ["answer", "answer", "nothing"]
        (kept,) = here.kept()
        assert kept.account == "inbound", "nobody could read it: somebody may want to"
        assert here.states(ours.id) == ["delivered"]

    run(tmp_path, story)


# --- mail for people ----------------------------------------------------------------------


def test_the_postmaster_gets_mail_into_the_inbox(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        reply = await here.bring("Postmaster@example.org", PLAIN, sender="bob@example.com")
        assert reply.startswith("250 ")
        (kept,) = here.kept()
        assert (await here.bring("Postmaster", PLAIN)).startswith("250 "), "RFC 5321, 4.5.1"
        assert (kept.account, kept.envelope.sender.address) == ("inbound", None)
        text = b"".join(here.shop.queue.content(kept.id).pieces())
        assert text.startswith(b"Return-Path: <bob@example.com>\r\nReceived: from mx.example.net")
        assert text.endswith(PLAIN.replace("\n", "\r\n").encode() + b"\r\n")

    run(tmp_path, story)


def test_reports_are_sent_on_where_they_are_read(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        large = "From: r@p.example\n\n" + "report " * 20_000
        assert (await here.bring("dmarc@example.org", large)).startswith("250 ")
        (kept,) = here.kept()
        assert [str(one.address) for one in kept.envelope.recipients] == ["ops@example.net"]
        assert (kept.account, kept.envelope.sender.address) == ("", None)
        assert here.shop.queue.content(kept.id).size > 140_000

    run(tmp_path, story, postmaster="ops@example.net")


def test_a_malformed_header_and_a_circle_are_refused(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        malformed = await here.bring("postmaster@example.org", "no colon here\n\nx")
        assert malformed.endswith("[content.malformed-header]")
        circle = "Received: x\n" * 60 + "\nround and round"
        assert (await here.bring("abuse@example.org", circle)).endswith("[returns.loop]")
        assert here.kept() == []
        assert not list((tmp_path / "bodies" / "new").iterdir())

    run(tmp_path, story)


# --- attacks ------------------------------------------------------------------------------


def test_it_relays_for_nobody_and_knows_nobody(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        path = str(here.paths.mint(ours.id, 1))
        forged = path[:-25] + ("a" if path[-25] != "a" else "b") + path[-24:]
        old = here.paths.mint(IDS.__class__(1).next(time.time() - GOOD_FOR - 90), 1)
        client = await here.client()
        await client.say("MAIL FROM:<>")
        for address, rule in (
            ("bob@example.com", "returns.relay"),
            ("bob%example.com@mail.example.org", "returns.no-mailbox"),
            ("@mail.example.org:bob@example.com", "returns.relay"),
            ("ann@example.org", "returns.no-mailbox"),
            (forged, "returns.forged"),
            (str(old), "returns.forged"),
            (str(here.paths.mint(fresh().id, 1)), "returns.unknown-message"),
        ):
            reply = await client.say(f"RCPT TO:<{address}>")
            assert reply.startswith("55"), reply
            assert reply.endswith(f"[{rule}]") or "syntax" in reply, reply
        assert (await client.say("DATA")).startswith("503 ")
        refused = here.shop.entries(Refused)
        assert refused
        assert here.kept() == []

    run(tmp_path, story)


def test_who_guesses_addresses_is_sent_away(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        client = await here.client()
        await client.say("MAIL FROM:<x@example.net>")
        replies = [await client.say(f"RCPT TO:<user{n}@example.org>") for n in range(11)]
        assert replies[-1].endswith("[returns.guessing]")
        assert await client.rest() == b""

    run(tmp_path, story)


def test_nobody_signs_in_here(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        client = await Client.connect(here.port)
        await client.hear()
        hello = await client.say("EHLO mx.example.net")
        assert "STARTTLS" in hello
        assert "AUTH" not in hello
        assert (await client.say("AUTH PLAIN AGEAYg==")).startswith("502 ")
        await client.starttls(here.shop.client_context())
        assert "AUTH" not in await client.say("EHLO mx.example.net")
        assert (await client.say("MAIL FROM:<>")).startswith("250 ")

    run(tmp_path, story)


def test_one_message_is_one_message(tmp_path: Path) -> None:
    """SMTP smuggling: a dot between line ends that are none must not end the message."""

    async def story(here: Port25) -> None:
        client = await here.client()
        await client.script("MAIL FROM:<>", "RCPT TO:<postmaster@example.org>", "DATA")
        smuggled = b"Subject: one\r\n\r\nhello\n.\nMAIL FROM:<x@evil.example>\r\n"
        assert not (await client.say(smuggled + b".")).startswith("250")
        assert here.kept() == []

    run(tmp_path, story)


def test_a_bounce_may_have_a_mebibyte_and_a_report_ten(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        long = NO_SUCH + "\n" + ("x" * 70 + "\n") * 16_000
        assert (await here.bring(str(here.paths.mint(ours.id, 1)), long)).startswith("552 ")
        assert here.states(ours.id) == ["delivered"]
        assert (await here.bring("dmarc@example.org", long)).startswith("250 ")

    run(tmp_path, story)


def test_a_return_path_comes_alone(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        client = await here.client()
        await client.say("MAIL FROM:<>")
        assert (await client.say(f"RCPT TO:<{here.paths.mint(ours.id, 1)}>")).startswith("250")
        second = await client.say("RCPT TO:<postmaster@example.org>")
        assert second.endswith("[returns.several]")

    run(tmp_path, story)


def test_floods_are_stopped_for_a_while(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        path = str(here.paths.mint(ours.id, 1))
        replies = [await here.bring(path, HOLIDAY) for _ in range(12)]
        assert sum(reply.startswith("250") for reply in replies) == 10
        assert replies[-1].endswith("[returns.rate]")
        assert replies[-1].startswith("450 ")
        letters = [await here.bring("abuse@example.org", PLAIN) for _ in range(32)]
        assert sum(reply.startswith("250") for reply in letters) == 30
        assert letters[-1].endswith("[returns.rate]")

    run(tmp_path, story)


def test_without_storage_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        await here.sent(ours)
        path = str(here.paths.mint(ours.id, 1))

        def broken(*_: object) -> None:
            raise StorageUnavailable("the disk is full")

        with monkeypatch.context() as trouble:
            trouble.setattr(here.shop.queue, "come_back", broken)
            assert (await here.bring(path, NO_SUCH)).startswith("452 ")
        with monkeypatch.context() as trouble:
            trouble.setattr(here.shop.queue, "accept", broken)
            assert (await here.bring("abuse@example.org", PLAIN)).startswith("452 ")
        assert here.states(ours.id) == ["delivered"]
        assert (await here.bring(path, NO_SUCH)).startswith("250 ")

    run(tmp_path, story)


def test_a_bounce_may_be_quicker_than_our_own_pen(tmp_path: Path) -> None:
    async def story(here: Port25) -> None:
        ours = fresh()
        path = str(here.paths.mint(ours.id, 1))
        new = await here.under_way(ours)
        bringing = asyncio.create_task(here.bring(path, NO_SUCH))
        await asyncio.sleep(0.3)
        assert not bringing.done()
        await here.shop.queue.settle([settled(born(new), State.DELIVERED)])
        assert (await bringing).startswith("250 ")
        assert here.states(ours.id) == ["failed"]

    run(tmp_path, story)


def test_what_is_still_under_way_has_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LOOKS", 2)

    async def story(here: Port25) -> None:
        ours = fresh()
        await here.under_way(ours)
        reply = await here.bring(str(here.paths.mint(ours.id, 1)), NO_SUCH)
        assert reply.startswith("450 4.3.0")
        assert reply.endswith("[returns.too-early]")
        assert here.what() == []

    run(tmp_path, story)
