"""Which addresses exist on port 25: few, and none that can be made up."""

from __future__ import annotations

import pytest

from postwicket.core.address import Address
from postwicket.core.refusal import Refusal
from postwicket.returns.places import Kind, Place, Places
from postwicket.trust.return_path import GOOD_FOR, Purpose, ReturnPaths
from tests.returns.letters import HOSTNAME, NOW, PATHS, letter

OURS = letter()
PLACES = Places(
    hostname=HOSTNAME,
    paths=PATHS,
    domains=lambda: {"example.org", "xn--bcher-kva.example"},
    find=lambda wanted: OURS if wanted == OURS.id else None,
)
MAILER = Address.parse("somebody@example.net")


def at(address: Address | str, sender: Address | None = None, now: float = NOW) -> Place | Refusal:
    parsed = address if isinstance(address, Address) else Address.parse(address)
    return PLACES.place(parsed, sender=sender, now=now)


def rule(verdict: Place | Refusal) -> str:
    return verdict.rule if isinstance(verdict, Refusal) else verdict.kind.value


def test_a_return_path_leads_to_its_message() -> None:
    place = at(PATHS.mint(OURS.id, 1))
    assert isinstance(place, Place)
    assert (place.kind, place.message) == (Kind.BOUNCE, OURS)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postmaster@example.org", "people"),
        ("PostMaster@mail.example.org", "people"),
        ("abuse@returns.example.org", "people"),
        ("abuse@bücher.example", "people"),
        ("dmarc@example.org", "reports"),
        ("tlsrpt@example.org", "reports"),
        ("bob@example.org", "returns.no-mailbox"),
        ("b-short@returns.example.org", "returns.no-mailbox"),
        ("root@mail.example.org", "returns.no-mailbox"),
        ("bob@example.com", "returns.relay"),
        ("postmaster@example.com", "returns.relay"),
        ("bob%example.com@mail.example.org", "returns.no-mailbox"),
        ('"bob@example.com"@mail.example.org', "returns.no-mailbox"),
    ],
)
def test_an_address(address: str, expected: str) -> None:
    assert rule(at(address)) == expected


def test_a_seal_that_does_not_fit_is_refused() -> None:
    local = PATHS.mint(OURS.id).local
    edited = local[:-1] + ("a" if local[-1] != "a" else "b")
    assert rule(at(f"{edited}@returns.example.org")) == "returns.forged"
    other = ReturnPaths(b"x" * 32, PATHS.domain).mint(OURS.id)
    assert rule(at(other)) == "returns.forged"


def test_a_return_path_gets_too_old() -> None:
    assert rule(at(PATHS.mint(OURS.id), now=NOW + GOOD_FOR + 1)) == "returns.forged"


def test_a_message_that_was_forgotten_is_refused() -> None:
    assert rule(at(PATHS.mint(letter().id))) == "returns.unknown-message"


def test_only_somebody_can_unsubscribe() -> None:
    address = PATHS.mint(OURS.id, 1, Purpose.UNSUBSCRIBE)
    assert rule(at(address)) == "returns.sender-needed"
    assert rule(at(address, MAILER)) == "unsubscribe"


def test_without_a_domain_there_are_no_return_paths() -> None:
    bare = Places(hostname=HOSTNAME, paths=None, domains=frozenset, find=lambda _: OURS)
    verdict = bare.place(PATHS.mint(OURS.id), sender=None, now=NOW)
    assert rule(verdict) == "returns.relay"
