"""From a peer's words to what is stored: the catalogue and the policy of a route at work."""

from __future__ import annotations

import asyncio

from .peer import Peer, Script
from .world import run, settings_for, world

UNAUTHENTICATED = (
    b"421-4.7.26 This mail has been rate limited because it is\r\n"
    b"421 4.7.26 unauthenticated. 5-2002sm - gsmtp\r\n"
)


def test_a_route_may_leave_what_is_uncertain_to_a_person() -> None:
    async def test() -> None:
        route = ({"via": "upstream:peer", "uncertain": "hold"},)
        script = Script(replies={".": b"!"})
        async with (
            Peer(script).listening() as peer,
            world(settings_for(peer.port, route=route)) as here,
        ):
            sent = here.post("bob@example.com")
            (first, *_) = await here.tried(sent)
            assert (first.state, first.next_attempt) == ("held", None)
            assert "may have been delivered" in first.why
            await asyncio.sleep(0.5)
            assert len(peer.got) == 1
            assert here.states(sent) == ["held"]

    run(test())


def test_what_cannot_pass_later_fails_at_once_with_its_meaning() -> None:
    async def test() -> None:
        script = Script(replies={".": UNAUTHENTICATED})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            assert await here.final(sent) == ["failed"]
            (entry,) = await here.tried(sent)
            assert (entry.cause, entry.reading) == ("sender", "google.unauthenticated")
            assert "Publish SPF" in entry.why

    run(test())


def test_greylisting_waits_five_minutes_not_the_first_of_the_schedule() -> None:
    async def test() -> None:
        script = Script(replies={"RCPT": b"450 4.2.0 Greylisted\r\n"})
        async with Peer(script).listening() as peer, world(settings_for(peer.port)) as here:
            sent = here.post("bob@example.com")
            (entry, *_) = await here.tried(sent)
            assert entry.next_attempt is not None
            assert 299 < entry.next_attempt - entry.at < 331

    run(test())
