"""postwicket trace."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from postwicket.core.entry import CameBack
from postwicket.core.envelope import Demands
from postwicket.core.queue_id import read
from postwicket.core.state import State
from postwicket.storage.opening import open_store

from .office import Office


@pytest.mark.parametrize(
    "query", ["<1@example.org>", "1@example.org", "ann@example.org", "bob@example.com", "ID"]
)
def test_a_message_is_found_by_what_is_known_of_it(office: Office, query: str) -> None:
    name = office.accept("bob@example.com", state=State.DEFERRED)
    (found,) = office.json("trace", name if query == "ID" else query)
    assert found["message"]["id"] == name
    assert found["message"]["recipients"] == ["bob@example.com"]
    assert [one["kind"] for one in found["happenings"]] == ["accepted", "settled"]
    assert found["happenings"][0]["peer"] == "192.0.2.7"
    assert found["happenings"][1]["next_attempt"].endswith("Z")
    assert found["deliveries"][0]["state"] == "deferred"
    assert found["attempts"][0]["delivery"] == f"{name}-1"
    assert "EHLO" in found["attempts"][0]["transcript"]


def test_the_timeline_for_people(office: Office) -> None:
    name = office.accept("bob@example.com", state=State.DEFERRED)
    out = office("trace", name).out
    assert "accepted from ann@example.org (printer) at 192.0.2.7 [laptop]" in out
    assert "with TLSv1.3: 1 recipients" in out
    assert "bob@example.com: deferred by upstream:relay at relay.example [192.0.2.9]:587" in out
    assert "450 4.2.0 Come back later; next attempt 2" in out
    assert "EHLO" not in out
    assert "C: EHLO mail.example.org" in office("trace", name, "--transcript").out


def test_what_the_sender_demands_is_told(office: Office) -> None:
    demands = Demands(require_tls=True, deliver_by=1_893_499_200.0, by_mode="R", priority=3)
    name = office.accept("bob@example.com", demands=demands)
    (found,) = office.json("trace", name)
    assert found["message"]["demands"] == {
        "require_tls": True,
        "deliver_by": "2030-01-01T12:00:00Z",
        "by_mode": "R",
        "priority": 3,
    }
    out = office("trace", name).out
    assert "TLS on the whole way (REQUIRETLS), delivered by 2030-01-01T12:00:00Z, else" in out
    assert "it is returned, priority 3" in out
    plain = office.accept("bob@example.com", demands=Demands(tls_optional=True))
    assert "no TLS policy is to stop it" in office("trace", plain).out
    (none,) = office.json("trace", office.accept("bob@example.com"))
    assert none["message"]["demands"] == {}


def test_newest_first_and_limited(office: Office) -> None:
    ids = [office.accept("bob@example.com") for _ in range(3)]
    found = office.json("trace", "bob@example.com", "--limit", "2")
    assert [one["message"]["id"] for one in found] == ids[:0:-1]
    assert "the newest 2 are shown" in office("trace", "bob@example.com", "--limit", "2").err


def test_nothing_known_is_no(office: Office) -> None:
    said = office("trace", "nobody@example.org")
    assert (said.status, said.out) == (1, "")
    assert "nothing is known of 'nobody@example.org'; " in said.err
    said = office("trace", "nobody@example.org", "--json")
    assert (said.status, said.document) == (1, [])


def test_a_terminal_gets_no_control_characters(office: Office) -> None:
    office.accept("bob@example.com", subject="\x1b[31mred\x07\u202egnp", state=State.CAPTURED)
    for words in (("trace", "bob@example.com"), ("inbox", "list"), ("queue", "list", "--all")):
        out = office(*words).out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_what_came_back_is_told_in_words(office: Office) -> None:
    name = office.accept("bob@example.com", state=State.DELIVERED)
    with closing(open_store(office.data)) as store:
        store.record(
            CameBack(
                at=time.time(),
                message=read(name),
                what="bounce",
                delivery=1,
                recipient="bob@example.com",
                state="failed",
                reply="550 5.1.1 no such user",
                why="bounced later by mx.example.com",
            )
        )
    assert (
        "came back: bounce of bob@example.com which is failed now: bounced later by "
        "mx.example.com; 550 5.1.1 no such user"
    ) in office("trace", name).out
