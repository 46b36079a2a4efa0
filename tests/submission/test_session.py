"""Whole sessions over real sockets and real TLS."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Coroutine
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postwicket.config import Listener, SessionSettings
from postwicket.core.entry import Accepted, Finding, Refused, SignedIn
from postwicket.core.secret import Secret
from postwicket.identity.account import Grant, Limits
from postwicket.identity.password import hash_password
from postwicket.policy.amount import Allowance
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.submission.connection import Connection
from postwicket.submission.counter import Manners
from tests.submission.shop import ANN, APP_PASSWORD, LETTER, Client, Shop, open_shop

PLAIN = "AUTH PLAIN " + base64.b64encode(f"\0{ANN}\0{APP_PASSWORD}".encode()).decode()
Story = Callable[[Shop], Coroutine[Any, Any, None]]


def run(folder: Path, story: Story, *listeners: Listener, **more: Any) -> None:
    async def with_shop() -> None:
        async with open_shop(folder, *listeners, **more) as shop:
            await story(shop)
            assert shop.bugs == []

    asyncio.run(with_shop())


async def signed_in(shop: Shop) -> Client:
    client = await Client.connect(shop.ports["implicit"], shop.client_context())
    await client.hear()
    replies = await client.script("EHLO laptop.example.net", PLAIN)
    assert replies[1] == "235 2.7.0 Accepted"
    return client


async def bound(shop: Shop) -> Client:
    client = await Client.connect(shop.ports["none"])
    await client.hear()
    await client.say("EHLO scanner")
    return client


async def send(client: Client, content: bytes = LETTER, to: str = "bob@example.com") -> str:
    replies = await client.script(f"MAIL FROM:<{ANN}>", f"RCPT TO:<{to}>", "DATA")
    if not replies[-1].startswith("354"):
        return replies[-1]
    return await client.say(content + b".")


def test_a_message_through_starttls(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["starttls"])
        assert (await client.hear()).startswith("220 mail.example.org ESMTP")
        hello = await client.say("EHLO laptop.example.net")
        assert hello.startswith("250-mail.example.org at your service, [127.0.0.1]\r\n")
        assert "AUTH" not in hello
        assert (await client.say(PLAIN)).startswith("530 5.7.0 Must issue a STARTTLS")
        await client.starttls(shop.client_context())
        assert "AUTH PLAIN LOGIN" in await client.say("EHLO laptop.example.net")
        assert await client.say(PLAIN) == "235 2.7.0 Accepted"
        reply = await send(client)
        assert reply.startswith("250 2.0.0 OK, queued as ")
        assert await client.say("QUIT") == "221 2.0.0 Goodbye"
        assert await client.rest() == b""
        (claimed, content), *_ = shop.onward.offered
        assert content is not None
        data = b"".join(content.pieces())
        assert data.endswith(LETTER[LETTER.index(b"\r\n\r\n") :])
        assert data.startswith(b"Received: from laptop.example.net ([127.0.0.1])\r\n\tby mail.")
        assert b"with ESMTPSA" in data
        assert b"TLSv1.3" in data
        assert str(claimed.deliveries[0].recipient.address) == "bob@example.com"
        (entry,) = shop.entries(Accepted)
        assert isinstance(entry, Accepted)
        assert (entry.account, entry.credential, entry.recipients) == (ANN, "test", 1)
        (sign_in,) = shop.entries(SignedIn)
        assert isinstance(sign_in, SignedIn)
        assert sign_in.mechanism == "PLAIN"
        assert shop.store.app_passwords(ANN)[0].last_peer == "127.0.0.1"

    run(tmp_path, story)


def test_tls_at_once_on_the_starttls_port_is_served(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["starttls"], shop.client_context())
        assert (await client.hear()).startswith("220 ")
        assert "AUTH" in await client.say("EHLO c")
        (finding,) = shop.entries(Finding)
        assert isinstance(finding, Finding)
        assert finding.rule == "tls.implicit-on-starttls-port"

    run(tmp_path, story)


def test_tls_at_once_is_served_among_clients_that_wait(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        for _ in range(3):
            patient = await Client.connect(shop.ports["starttls"])
            await patient.hear()
            await patient.say("EHLO c")
            assert shop.counter.manners("127.0.0.1") is not Manners.UNKNOWN
            early = await Client.connect(shop.ports["starttls"], shop.client_context())
            assert (await early.hear()).startswith("220 ")
        assert shop.counter.manners("127.0.0.1") is Manners.EARLY

    run(tmp_path, story)


def test_tls_after_the_greeting_is_found_and_waited_for_the_next_time(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        late = await Client.connect(shop.ports["starttls"])
        await late.hear()
        late.writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
        assert await late.rest() == b""
        (finding,) = shop.entries(Finding)
        assert isinstance(finding, Finding)
        assert finding.rule == "tls.implicit-on-starttls-port"
        assert shop.counter.manners("127.0.0.1") is Manners.EARLY

    run(tmp_path, story)


@pytest.mark.parametrize("first", [b"", b"EHLO laptop\r\n"])
def test_plain_words_on_the_tls_port_are_answered_once(tmp_path: Path, first: bytes) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["implicit"])
        client.writer.write(first)
        reply = await client.hear()
        assert reply.startswith("421 4.7.0 This port speaks TLS from the first byte")
        assert "port 587" in reply
        assert await client.rest() == b""
        (finding,) = shop.entries(Finding)
        assert isinstance(finding, Finding)
        assert finding.rule == "tls.plain-on-implicit-port"

    run(tmp_path, story)


def test_an_old_tls_version_is_refused_and_found(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError):
            await Client.connect(shop.ports["implicit"], context)
        await asyncio.sleep(0.05)
        (finding,) = shop.entries(Finding)
        assert isinstance(finding, Finding)
        assert "older than TLS 1.2" in finding.fix

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("name", "password", "reply"),
    [
        (ANN, "zzzzzzzzzzzzzzzz", "535 5.7.8 *[auth.credentials]"),
        ("eve@example.org", APP_PASSWORD, "535 5.7.8 *[auth.credentials]"),
        ("ann", APP_PASSWORD, "535 5.7.8 *full address*[auth.user-name]"),
        (ANN, "correct horse 1", "534 5.7.9 *[auth.app-password-needed]"),
        (ANN, "wrong horse 1", "535 5.7.8 *[auth.credentials]"),
        (ANN.upper(), "ABCD efgh ijkl mnop", "235 2.7.0 Accepted"),
    ],
)
def test_signing_in(tmp_path: Path, name: str, password: str, reply: str) -> None:
    async def story(shop: Shop) -> None:
        shop.store.change_account(ANN, password_hash=hash_password(Secret("correct horse 1")))
        client = await Client.connect(shop.ports["implicit"], shop.client_context())
        await client.hear()
        await client.say("EHLO c")
        claim = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        heard = await client.say(f"AUTH PLAIN {claim}")
        start, _, end = reply.partition("*")
        assert heard.startswith(start)
        assert heard.endswith(end.rpartition("*")[2])
        assert password not in repr(shop.memory.journal)
        assert name != "ann" or "account='ann'" not in repr(shop.memory.journal)

    run(tmp_path, story)


def test_an_account_password_where_it_is_allowed(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        shop.store.change_account(
            ANN, password_hash=hash_password(Secret("correct horse 1")), password_over_smtp=True
        )
        client = await Client.connect(shop.ports["implicit"], shop.client_context())
        await client.hear()
        await client.script("EHLO c", "AUTH LOGIN", base64.b64encode(ANN.encode()).decode())
        assert await client.say(base64.b64encode(b"correct horse 1")) == "235 2.7.0 Accepted"

    run(tmp_path, story)


def test_three_wrong_sign_ins_end_the_session(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["implicit"], shop.client_context())
        await client.hear()
        wrong = "AUTH PLAIN " + base64.b64encode(b"\0a@b.example\0aaaaaaaaaaaaaaaa").decode()
        heard = await client.script("EHLO c", wrong, wrong, wrong)
        assert heard[-1].startswith("535")
        assert (await client.hear()).startswith("421 4.7.0 Too many failed sign-ins")

    run(tmp_path, story)


@pytest.mark.parametrize("how", ["suspend", "revoke", "remove"])
def test_who_is_not_welcome_any_more_is_stopped_at_the_next_command(
    tmp_path: Path, how: str
) -> None:
    async def story(shop: Shop) -> None:
        client = await signed_in(shop)
        assert (await client.say("NOOP")).startswith("250")
        if how == "suspend":
            shop.store.change_account(ANN, suspended=True)
        elif how == "revoke":
            shop.store.revoke_app_password(ANN, shop.app_password.id, now=2.0)
        else:
            shop.store.remove_account(ANN)
        assert (await client.say(f"MAIL FROM:<{ANN}>")).startswith("421 4.7.0 This account was")
        assert await client.rest() == b""

    run(tmp_path, story)


def test_a_change_to_another_account_does_not_disturb_a_message(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await signed_in(shop)
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        client.writer.write(LETTER[:40])
        await asyncio.sleep(0.05)
        shop.store.add_account("zoe@example.org", name="Zoe", password_hash="", now=2.0)
        assert (await client.say(LETTER[40:] + b".")).startswith("250 ")
        assert len(shop.onward.offered) == 1

    run(tmp_path, story)


@pytest.mark.parametrize("claim", ["x@example.org\0hunter 2!\0ann", "\0hunter 2!\0ann"])
def test_a_password_in_the_place_of_the_name_is_never_written_down(
    tmp_path: Path, claim: str
) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["implicit"], shop.client_context())
        await client.hear()
        await client.say("EHLO c")
        words = base64.b64encode(claim.encode()).decode()
        assert (await client.say(f"AUTH PLAIN {words}")).startswith("535 5.7.8 ")
        (entry,) = shop.entries(Refused)
        assert "hunter" not in repr(entry)

    run(tmp_path, story)


def test_a_suspended_account_cannot_sign_in(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        shop.store.change_account(ANN, suspended=True)
        client = await Client.connect(shop.ports["implicit"], shop.client_context())
        await client.hear()
        await client.say("EHLO c")
        assert "[auth.suspended]" in await client.say(PLAIN)
        bound = await Client.connect(shop.ports["none"])
        assert (await bound.hear()).startswith("421 ")

    run(tmp_path, story)


def test_senders_that_are_not_ones_own(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        reply = await client.say("MAIL FROM:<eve@example.org>")
        assert reply.startswith("553 5.7.1 ")
        assert "[sender.not-yours]" in reply
        forged = LETTER.replace(b"From: ann@", b"From: eve@")
        assert (await send(client, forged)).startswith("553 5.7.1 ")
        shop.store.grant(ANN, Grant.parse("@example.org"))
        assert (await send(client, forged)).startswith("250 2.0.0 ")
        assert (await client.say("MAIL FROM:<>")).startswith("250 ")
        refused = [entry.rule for entry in shop.entries(Refused) if isinstance(entry, Refused)]
        assert refused == ["sender.not-yours", "sender.header-not-yours"]

    run(tmp_path, story)


def test_too_many_recipients_and_one_named_twice(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        rcpt = [f"RCPT TO:<{name}@example.com>" for name in ("a", "b", "A", "c", "d", "a")]
        heard = await client.script(f"MAIL FROM:<{ANN}>", *rcpt)
        assert [reply[:3] for reply in heard] == ["250", "250", "250", "250", "250", "452", "250"]
        await client.say("DATA")
        assert (await client.say(LETTER + b".")).startswith("250")
        assert len(shop.onward.offered[0][0].deliveries) == 3

    run(tmp_path, story)


def test_the_day_is_used_up(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        assert (await send(client)).startswith("250")
        assert (await send(client)).startswith("250")
        refused = await send(client)
        assert refused.startswith("550 5.4.5 Daily user sending limit exceeded: 2 messages")
        assert "room again at 20" in refused
        shop.store.change_account(ANN, limits=Limits(messages_per_day=3))
        assert (await send(client)).startswith("250")

    allowance = Allowance(
        messages_per_day=2,
        recipients_per_day=100,
        recipients_per_message=100,
        message_size=100_000,
    )
    run(tmp_path, story, allowance=allowance)


def test_a_long_message_goes_through_a_file(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        body = b"x" * 998 + b"\r\n"
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        client.writer.write(LETTER)
        for _ in range(190):
            client.writer.write(body)
            await client.writer.drain()
        assert (await client.say(b".")).startswith("250 2.0.0")
        claimed, content = shop.onward.offered[0]
        assert content is None
        kept = b"".join(shop.queue.content(claimed.message.id).pieces())
        assert kept.endswith(body * 190)
        assert claimed.message.size == len(kept)

    run(tmp_path, story)


def test_a_message_above_the_limit(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        assert "[size.message]" in await client.say(f"MAIL FROM:<{ANN}> SIZE=200001")
        big = LETTER + b"y" * 78 + b"\r\n"
        assert (await send(client, big + (b"z" * 78 + b"\r\n") * 3000)).startswith("552 5.3.4")
        assert (await send(client)).startswith("250")
        assert list((tmp_path / "bodies" / "new").iterdir()) == []

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"Subject: x\r\n\r\nhi\r\n", "content.from-missing"),
        (b"no header at all\r\n\r\nhi\r\n", "content.malformed-header"),
        (b"\r\nhi\r\n", "content.from-missing"),
        (LETTER.replace(b"To:", b"Subject: again\r\nTo:"), "content.duplicate-header"),
    ],
)
def test_content_that_is_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        reply = await send(client, content)
        assert reply.startswith("550 ")
        assert reply.endswith(f"[{rule}]")
        assert shop.onward.offered == []
        assert (await client.say("NOOP")).startswith("250")

    run(tmp_path, story)


def test_a_bare_line_feed_is_refused_and_the_connection_closed(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        client.writer.write(LETTER + b"a\n.\r\nMAIL FROM:<evil@example.com>\r\n")
        assert (await client.hear()).startswith("550 5.6.0 ")
        assert await client.rest() == b""
        assert shop.onward.offered == []

    run(tmp_path, story)


def test_when_the_storage_fails_the_connection_lives(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        accept = shop.queue.accept

        def fail(_: object) -> asyncio.Future[None]:
            future: asyncio.Future[None] = shop.loop.create_future()
            future.set_exception(StorageUnavailable("no space left on device"))
            return future

        shop.queue.accept = fail  # type: ignore[assignment, method-assign] # a full disk
        assert (await send(client)).startswith("452 4.3.1 ")
        shop.queue.accept = accept  # type: ignore[method-assign] # room again
        assert (await send(client)).startswith("250 ")

    run(tmp_path, story)


def test_a_bug_of_ours_ends_the_session_politely(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)

        def fail(_: object) -> asyncio.Future[None]:
            raise RuntimeError("a bug")

        shop.queue.accept = fail  # type: ignore[assignment, method-assign] # what no test foresaw
        assert (await send(client)).startswith("421 4.3.0 ")
        assert [str(bug) for bug in shop.bugs] == ["a bug"]
        shop.bugs.clear()

    run(tmp_path, story)


def test_a_bug_at_a_command_ends_the_session_politely_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(shop: Shop) -> None:
        async with asyncio.timeout(5):
            client = await bound(shop)

            def broken(*_: object) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr("postwicket.submission.session.may_send_as", broken)
            assert (await client.say(f"MAIL FROM:<{ANN}>")).startswith("421 4.3.0 ")
            assert await client.rest() == b""
            assert [type(bug) for bug in shop.bugs] == [ZeroDivisionError]
            shop.bugs.clear()

    run(tmp_path, story)


def test_a_full_window_stores_without_a_claim(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        shop.onward.full = True
        client = await bound(shop)
        assert (await send(client)).startswith("250 ")
        assert shop.onward.offered == []
        claimed = await shop.queue.claim(5, now=4e9, lease_until=5e9, limit=9)
        assert len(claimed) == 1

    run(tmp_path, story)


def test_pipelined_commands_are_answered_in_order(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        group = f"MAIL FROM:<{ANN}>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n".encode()
        client.writer.write(group)
        assert [(await client.hear())[:3] for _ in range(3)] == ["250", "250", "354"]
        client.writer.write(LETTER + b".\r\n" + group + LETTER + b".\r\nQUIT\r\n")
        codes = [(await client.hear())[:3] for _ in range(6)]
        assert codes == ["250", "250", "250", "354", "250", "221"]
        assert len(shop.onward.offered) == 2

    run(tmp_path, story)


def test_chunked_messages(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>")
        client.writer.write(b"BDAT %d\r\n" % len(LETTER) + LETTER + b"BDAT 3 LAST\r\na\r\n")
        assert (await client.hear()).startswith(f"250 2.0.0 {len(LETTER)} octets")
        assert (await client.hear()).startswith("250 2.0.0 OK, queued as")
        content = shop.onward.offered[0][1]
        assert content is not None
        assert b"".join(content.pieces()).endswith(b"At four?\r\na\r\n")

    run(tmp_path, story)


def test_bcc_is_removed_and_what_is_missing_is_added(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        await send(client, LETTER.replace(b"Subject", b"Bcc: eve@example.com\r\nSubject"))
        claimed, content = shop.onward.offered[0]
        assert content is not None
        assert b"Bcc" not in content.header
        assert b"\r\nDate: " in content.header
        assert f"\r\nMessage-ID: <{claimed.message.message_id}>\r\n".encode() in content.header

    run(tmp_path, story)


# --- limits of connections ----------------------------------------------------------------


def test_silence_is_ended(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        assert (await client.hear()).startswith("421 4.4.2 Timeout")
        assert await client.rest() == b""

    run(tmp_path, story, settings=SessionSettings(timeout=0.1))


def test_many_messages_on_one_connection_are_each_judged_by_their_own_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At every look at the clock some message is under way, but never the same one.
    monkeypatch.setattr("postwicket.submission.connection.GRACE", 0.1)
    monkeypatch.setattr("postwicket.submission.counter.SWEEP_EVERY", 0.01)

    async def story(shop: Shop) -> None:
        client = await bound(shop)
        for _ in range(4):
            await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
            await asyncio.sleep(0.06)
            assert (await client.say(LETTER + b".")).startswith("250 ")
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        assert (await client.hear()).startswith("421 4.4.2 ")

    run(tmp_path, story, settings=SessionSettings(min_rate=10_000))


def test_a_session_does_not_live_for_ever(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        assert (await client.hear()).startswith("421 4.7.0 Connection expired")

    run(tmp_path, story, settings=SessionSettings(total=0.1))


def test_a_handshake_that_does_not_come_is_ended(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["starttls"])
        await client.hear()
        await client.script("EHLO c", "STARTTLS")
        assert await client.rest() == b""

    run(tmp_path, story, settings=SessionSettings(handshake=0.1))


def test_too_many_connections_of_one_address(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        first = await bound(shop)
        second = await Client.connect(shop.ports["none"])
        assert (await second.hear()).startswith("421 4.7.0 Too many connections")
        await first.close()
        await asyncio.sleep(0.05)
        await bound(shop)

    run(tmp_path, story, settings=SessionSettings(per_address=1))


def test_clients_of_other_networks_stay_out(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["starttls"])
        assert (await client.hear()).startswith("554 5.7.1 ")
        assert await client.rest() == b""

    run(tmp_path, story, Listener(address="127.0.0.1:0", networks=(ip_network("10.0.0.0/8"),)))


def test_the_proxy_header_tells_who_it_is(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["starttls"])
        client.writer.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 587\r\n")
        assert (await client.hear()).startswith("220 ")
        assert "[192.0.2.7]" in await client.say("EHLO c")
        silent = await Client.connect(shop.ports["starttls"])
        silent.writer.write(b"EHLO c\r\n")
        assert await silent.rest() == b""

    run(tmp_path, story, Listener(address="127.0.0.1:0", proxy=(ip_network("127.0.0.0/8"),)))


def test_drain_ends_the_idle_and_lets_a_message_finish(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        idle, busy = await bound(shop), await bound(shop)
        await busy.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        shop.counter.drain()
        assert (await idle.hear()).startswith("421 4.3.2 ")
        assert (await busy.say(LETTER + b".")).startswith("250 ")
        assert (await busy.hear()).startswith("421 4.3.2 ")
        assert await busy.rest() == b""
        late = await Client.connect(shop.ports["none"])
        assert (await late.hear()).startswith("421 4.3.2 ")

    run(tmp_path, story)


def test_what_is_said_behind_the_last_message_hears_one_421(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        shop.counter.drain()
        client.writer.write(LETTER + b".\r\n" + f"MAIL FROM:<{ANN}>\r\nQUIT\r\n".encode())
        assert (await client.hear()).startswith("250 ")
        assert (await client.hear()).startswith("421 4.3.2 ")
        assert await client.rest() == b""

    run(tmp_path, story)


def test_a_client_that_never_reads_takes_no_memory(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a transport
        for _ in range(200):
            client.writer.write(b"HELP\r\n" * 10_000)
        with pytest.raises((TimeoutError, OSError)):
            await asyncio.wait_for(client.writer.drain(), 0.5)
        assert len(shop.counter) == 1

    run(tmp_path, story)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_short_questions_with_long_answers_fill_no_memory(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> None:
        async with open_shop(tmp_path) as shop:
            client = await bound(shop)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a transport
            (guest,) = shop.counter._connections
            assert isinstance(guest, Connection)
            client.writer.write(b"EHLO a\r\n" * 100_000)
            for _ in range(50):
                await asyncio.sleep(0.01)
                assert guest._transport.get_write_buffer_size() < 400_000
            client.writer.transport.resume_reading()  # type: ignore[attr-defined] # likewise
            client.writer.write(b"QUIT\r\n")
            assert (await client.rest()).count(b"at your service") == 100_000

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


def test_a_script_that_says_everything_at_once_hears_every_answer(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["none"])
        client.writer.write(
            f"EHLO c\r\nMAIL FROM:<{ANN}>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n".encode()
            + LETTER
            + b".\r\nQUIT\r\n"
        )
        client.writer.write_eof()
        heard = (await client.rest()).decode().splitlines()
        assert [line[:3] for line in heard if line[3] == " "] == [
            "220", "250", "250", "250", "354", "250", "221",
        ]  # fmt: skip

    run(tmp_path, story)


def test_a_long_script_hears_every_answer_too(tmp_path: Path) -> None:
    async def story(shop: Shop) -> None:
        client = await Client.connect(shop.ports["none"])
        client.writer.write(b"NOOP\r\n" * 1000 + b"HELO c\r\n")
        client.writer.write_eof()
        heard = await client.rest()
        assert heard.count(b"250 2.0.0 OK\r\n") == 1000
        assert heard.endswith(b"at your service, [127.0.0.1]\r\n")

    run(tmp_path, story)


@pytest.mark.parametrize("octets", [100, 1_000_000])
def test_a_client_that_goes_away_leaves_nothing_behind(tmp_path: Path, octets: int) -> None:
    async def story(shop: Shop) -> None:
        client = await bound(shop)
        await client.script(f"MAIL FROM:<{ANN}>", "RCPT TO:<bob@example.com>", "DATA")
        client.writer.write(LETTER + (b"x" * 78 + b"\r\n") * (octets // 80))
        await client.writer.drain()
        client.writer.transport.abort()
        await asyncio.wait_for(shop.counter.emptied(), 5)
        await asyncio.sleep(0.2)
        assert shop.onward.offered == []
        assert list((tmp_path / "bodies" / "new").iterdir()) == []

    allowance = Allowance(
        messages_per_day=9, recipients_per_day=9, recipients_per_message=9, message_size=9_000_000
    )
    run(tmp_path, story, allowance=allowance)
