"""Where mail comes back to, who is not written to, and who turns out not to exist."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from postwicket.config.settings import Settings
from postwicket.core.address import Address
from postwicket.core.entry import CameBack
from postwicket.core.envelope import Notify, Recipient, Sender
from postwicket.delivery.returning import divert, return_paths
from postwicket.delivery.route import Leg
from postwicket.storage.values import Suppression
from postwicket.trust.return_path import Purpose, Returned

from .names import Names, direct
from .peer import Got, Peer, Script
from .world import World, run, settings_for, world

GONE = Suppression(
    address="bob@example.com",
    reason="bounce",
    detail="550 5.1.1 no such user",
    created=time.time(),
    expires=time.time() + 3600,
)
NO_SUCH = {"RCPT TO:<bob@example.com>": b"550 5.1.1 No such person\r\n"}


def names(peer: Peer, *domains: str) -> Names:
    return Names({domain: [(f"mx.{domain}", 10, peer.port)] for domain in domains})


def path_of(got: Got) -> str:
    return got.sender.partition("<")[2].partition(">")[0]


def settings(data: Path, **returns: object) -> Settings:
    return direct(data=str(data), returns={"domain": "returns.us.example", **returns})


def test_each_message_has_a_return_path_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        given = settings(tmp_path)
        paths = return_paths(given)
        assert paths is not None
        async with Peer(Script()).listening() as peer:
            known = names(peer, "example.com", "example.net")
            async with world(given, known.guide(given)) as here:
                sent = here.post("bob@example.com", "eve@example.net", "zoe@example.net")
                notice = here.post("bob@example.com", sender=Sender(address=None))
                await here.final(sent)
                await here.final(notice)
        came = {tuple(got.recipients): path_of(got) for got in peer.got if path_of(got)}
        now = time.time()
        alone = came["bob@example.com",]
        together = came["eve@example.net", "zoe@example.net"]
        assert paths.read(Address.parse(alone), now=now) == Returned(Purpose.BOUNCE, sent, 1)
        assert paths.read(Address.parse(together), now=now) == Returned(
            Purpose.BOUNCE, sent, first=2
        )
        assert min(path_of(got) for got in peer.got) == "", "a notice keeps its own"

    run(test())


def test_an_upstream_gets_the_sender_that_it_knows(tmp_path: Path) -> None:
    async def test() -> None:
        async with Peer(Script()).listening() as peer:
            given = settings_for(
                peer.port, data=str(tmp_path), returns={"domain": "returns.us.example"}
            )
            async with world(given) as here:
                await here.final(here.post("bob@example.com"))
        assert [path_of(got) for got in peer.got] == ["ann@example.org"]

    run(test())


def test_who_is_suppressed_is_not_written_to_and_the_sender_hears_why(tmp_path: Path) -> None:
    async def test() -> None:
        given = settings(tmp_path)
        async with Peer(Script()).listening() as peer:
            known = names(peer, "example.com", "example.net", "example.org")
            async with world(given, known.guide(given)) as here:
                here.memory.suppress(GONE)
                here.memory.suppress(replace(GONE, address="eve@example.net", reason="manual"))
                sent = here.post("bob@example.com", "eve@example.net", "zoe@example.net")
                assert await here.final(sent) == ["suppressed", "suppressed", "delivered"]
                bob = here.memory.of(sent)[0]
                assert (bob.cause, bob.route) == ("recipient", "direct")
                assert bob.reply.startswith("the address did not exist on ")
                assert "550 5.1.1 no such user" in bob.reply
                (notice,) = here.notices()
                text = here.bytes_of(notice.id)
                assert text.count(b"Final-Recipient:") == 2, "one notice names all"
                await here.final(notice.id)
        assert {to for got in peer.got for to in got.recipients} == {
            "zoe@example.net",
            "ann@example.org",
        }

    run(test())


@pytest.mark.parametrize(
    ("lane", "wishes", "notices"),
    [
        ("transactional", frozenset(), 1),
        ("transactional", frozenset({Notify.NEVER}), 0),
        ("bulk", frozenset(), 0),
        ("bulk", frozenset({Notify.FAILURE}), 1),
    ],
)
def test_bulk_mail_is_told_of_only_when_asked(
    tmp_path: Path, lane: str, wishes: frozenset[Notify], notices: int
) -> None:
    async def test() -> None:
        given = settings(tmp_path)
        async with Peer(Script()).listening() as peer:
            known = names(peer, "example.com", "example.org")
            async with world(given, known.guide(given)) as here:
                here.memory.suppress(replace(GONE, lane=lane))
                bob = Recipient(Address.parse("bob@example.com"), wishes)
                sent = here.post(bob, lane=lane)
                assert await here.final(sent) == ["suppressed"]
                assert len(here.notices()) == notices

    run(test())


def test_a_suppression_of_bulk_leaves_receipts_alone(tmp_path: Path) -> None:
    async def test() -> None:
        given = settings(tmp_path)
        async with Peer(Script()).listening() as peer:
            known = names(peer, "example.com")
            async with world(given, known.guide(given)) as here:
                here.memory.suppress(replace(GONE, lane="bulk"))
                assert await here.final(here.post("bob@example.com")) == ["delivered"]

    run(test())


async def _suppressed_by(here: World, lane: str = "transactional") -> list[tuple[str, str]]:
    await here.final(here.post("bob@example.com", lane=lane))
    return list(here.memory.suppressions)


@pytest.mark.parametrize(
    ("reply", "known"),
    [
        (b"550 5.1.1 No such person\r\n", True),
        (b"550 No such user here\r\n", True),
        (b"550 5.7.1 You are not welcome\r\n", False),
        (b"552 5.2.2 Over quota and inactive. gsmtp\r\n", False),
        (b"554 5.7.1 Listed by a block list\r\n", False),
    ],
)
def test_who_does_not_exist_is_remembered(tmp_path: Path, reply: bytes, known: bool) -> None:
    async def test() -> None:
        given = settings(tmp_path, suppress_bounces_for="1d")
        script = Script(replies={"RCPT TO:<bob@example.com>": reply})
        async with (
            Peer(script).listening() as peer,
            world(given, names(peer, "example.com").guide(given)) as here,
        ):
            found = await _suppressed_by(here)
            assert found == ([("bob@example.com", "")] if known else [])
            told = here.entries(CameBack)
            assert [entry.what for entry in told] == (["bounce"] if known else [])
            if known:
                again = here.post("bob@example.com")
                assert await here.final(again) == ["suppressed"]

    run(test())


def test_remembering_can_be_turned_off(tmp_path: Path) -> None:
    async def test() -> None:
        given = settings(tmp_path, suppress_bounces_for=0)
        async with (
            Peer(Script(replies=dict(NO_SUCH))).listening() as peer,
            world(given, names(peer, "example.com").guide(given)) as here,
        ):
            assert await _suppressed_by(here) == []

    run(test())


def test_our_own_objections_prove_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        given = settings(tmp_path, suppress_bounces_for="1d")
        utf8 = "bøb@example.com"
        async with (
            Peer(Script()).listening() as peer,
            world(given, names(peer, "example.com").guide(given)) as here,
        ):
            sent = here.post(utf8, sender=Sender(address=None, smtputf8=True))
            assert await here.final(sent) == ["failed"], "the peer has no SMTPUTF8"
            assert here.memory.suppressions == {}

    run(test())


def test_only_what_leaves_is_stopped() -> None:
    leaves, stays = Leg("direct", "", "example.com"), Leg("capture", "", "")
    legs = {leaves: [0, 2], stays: [1]}
    assert divert(legs, {}) == legs
    assert divert(legs, {0, 1}) == {
        leaves: [2],
        stays: [1],
        Leg("direct", "", "", stopped=True): [0],
    }
    assert divert(legs, {0, 2}) == {stays: [1], Leg("direct", "", "", stopped=True): [0, 2]}
