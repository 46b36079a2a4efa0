"""Straight to real exchangers: found in a real DNS, in the right order, to the octet."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.server import until
from tests.e2e.wire import assert_untouched

from . import misdeeds
from .hostile import OFFERS
from .laboratory import GREYLISTED_FOR, Laboratory
from .office import Office
from .postfix import open_folder
from .zones import BOGUS, LAME, UNSIGNED

ODD = (
    b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: odd\r\n"
    b"Date: Sat, 1 Aug 2026 12:00:00 +0200\r\nMessage-ID: <odd@example.org>\r\n"
    b"X-Odd:folded\r\n\t and  spaced \r\n\r\n"
    b".\r\n..\r\n. dot\r\ntrailing \t \r\nna\xc3\xafve\r\n\r\n\r\n"
)


@pytest.fixture(scope="module")
def office(laboratory: Laboratory) -> Iterator[Office]:
    """Return a server that tries again after a second."""
    with open_folder("office") as folder:
        office = Office(folder, laboratory.settings(delivery='connect_timeout = "5s"'))
        try:
            yield office
            office.server.stop()
        finally:
            office.server.end()


def test_every_octet_arrives(laboratory: Laboratory, office: Office) -> None:
    to = ("octets-1@plain.lab.example", "octets-2@plain.lab.example")
    assert laboratory.plain
    office.post(*to, content=ODD)
    until(lambda: all(laboratory.plain.arrived(recipient) for recipient in to))
    for recipient in to:
        (mail,) = laboratory.plain.arrived(recipient)
        assert mail.sender == "ann@example.org"
        assert_untouched(ODD, mail.content)
    told = office.told(to[0])
    assert told["remote"].startswith(f"mx.plain.lab.example[{laboratory.plain.address}]")


def test_a_greylisting_server_is_asked_again_when_it_said(
    laboratory: Laboratory, office: Office
) -> None:
    to = "grey@strict.lab.example"
    assert laboratory.strict
    office.post(to)
    told = office.told(to)
    assert (told["state"], told["cause"]) == ("deferred", "policy")
    assert told["reading"] == "greylisting.named"
    at = dt.datetime.fromisoformat(told["at"]).timestamp()
    # It said "in 1 seconds"; nobody is asked again within the minute because of a peer's word.
    assert 50 < told["next_attempt"] - at < 80
    until(lambda: at + GREYLISTED_FOR < dt.datetime.now(tz=dt.UTC).timestamp())
    office.server.ask("queue", "retry", office.row(to)["id"])
    assert office.told(to, times=2)["state"] == "delivered"
    until(lambda: laboratory.strict.arrived(to))


def test_a_server_that_limits_gets_all_the_same(laboratory: Laboratory, office: Office) -> None:
    """Two connections at once, ten recipients a message: 421 and 452 to what is more."""
    assert laboratory.strict
    people = [f"limit-{number}@strict.lab.example" for number in range(25)]
    for person in people:
        laboratory.introduce(person)
    office.post(*people)
    office.post_all([(person,) for person in people[:20]])

    def arrived() -> Counter[str]:
        found = (mail.recipient for mail in laboratory.strict.arrived())
        return Counter(recipient for recipient in found if recipient in people)

    until(lambda: arrived().total() >= 45, patience=60)
    until(lambda: not office.server.queue("--recipient", "limit-*"))
    assert arrived() == Counter(people) + Counter(people[:20])


@pytest.mark.parametrize(
    ("domain", "state", "cause", "rule"),
    [
        ("no-mail.lab.example", "failed", "recipient", "dns.null-mx"),
        ("there-is-no-such.lab.example", "failed", "recipient", "dns.no-such-domain"),
        ("nothing.lab.example", "failed", "recipient", "dns.no-mail-host"),
        (BOGUS, "deferred", "dns", "dns.bogus"),
        (LAME, "deferred", "dns", "dns.failure"),
        ("ourselves.lab.example", "failed", "policy", "route.loop"),
    ],
)
def test_a_domain_without_a_way(
    laboratory: Laboratory, office: Office, domain: str, state: str, cause: str, rule: str
) -> None:
    laboratory.zones.add("no-mail.lab.example", "MX", "0 .")
    laboratory.zones.add("nothing.lab.example", "TXT", "here")
    laboratory.zones.add("ourselves.lab.example", "MX", "10 mail.example.org.")
    office.post(f"bob@{domain}")
    told = office.told(f"bob@{domain}")
    assert f"[{rule}]" in told["reply"]
    assert (told["state"], told["cause"]) == (state, cause)


def test_the_second_exchanger_takes_what_the_first_does_not(
    laboratory: Laboratory, office: Office
) -> None:
    away = laboratory.exchanger("away", laboratory.address())  # nobody listens there
    domain = laboratory.domain("second", away, laboratory.plain.name)
    office.post(f"bob@{domain}")
    told = office.told(f"bob@{domain}")
    assert told["state"] == "delivered"
    assert told["attempts"] == 1
    assert told["remote"].startswith("mx.plain.lab.example")
    (attempt,) = office.life(f"bob@{domain}")["attempts"]
    assert "away.lab.example" in attempt["transcript"]


def test_a_domain_without_mx_is_its_own_exchanger(laboratory: Laboratory, office: Office) -> None:
    laboratory.exchanger("own", laboratory.plain.address)
    office.post("bob@own.lab.example")
    assert office.told("bob@own.lab.example")["remote"].startswith("own.lab.example[")


def test_an_alias_is_followed_and_the_recipient_stays(
    laboratory: Laboratory, office: Office
) -> None:
    assert laboratory.plain
    laboratory.zones.add("alias.lab.example", "CNAME", "plain.lab.example.")
    office.post("bob@alias.lab.example")
    assert office.told("bob@alias.lab.example")["state"] == "delivered"
    until(lambda: laboratory.plain.arrived("bob@alias.lab.example"))


def test_an_international_domain_is_asked_for_in_ascii(
    laboratory: Laboratory, office: Office
) -> None:
    laboratory.domain("xn--bcher-kva", laboratory.plain.name)
    office.post("bob@xn--bcher-kva.lab.example")
    assert office.told("bob@xn--bcher-kva.lab.example")["state"] == "delivered"


def test_unsigned_zones_are_as_good_as_ever(laboratory: Laboratory, office: Office) -> None:
    laboratory.zones.add(f"post.{UNSIGNED}", "MX", f"10 {laboratory.plain.name}.")
    office.post(f"bob@post.{UNSIGNED}")
    assert office.told(f"bob@post.{UNSIGNED}")["state"] == "delivered"


def test_what_a_peer_cannot_take_fails_with_that_reason(
    laboratory: Laboratory, office: Office
) -> None:
    small = tuple(one for one in OFFERS if not one.startswith("SIZE"))
    site = laboratory.misbehaving("small", misdeeds.offering(*small, "SIZE 1000"))
    office.post(site.address(), content=ODD + b"x" * 2000 + b"\r\n")
    told = office.told(site.address())
    assert (told["state"], told["cause"]) == ("failed", "size")
    assert site.visits.whole == []
