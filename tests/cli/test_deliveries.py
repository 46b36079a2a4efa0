"""postwicket queue."""

from __future__ import annotations

import pytest

from postwicket.core.state import State

from .office import Office

SHAPE = {
    "id",
    "message",
    "sender",
    "recipient",
    "state",
    "attempts",
    "next_attempt",
    "route",
    "cause",
    "reply",
    "site",
    "why",
    "lane",
    "priority",
}


def states(office: Office) -> dict[str, str]:
    return {one["recipient"]: one["state"] for one in office.json("queue", "list", "--all")}


def test_the_list_has_the_shape_of_the_contract(office: Office) -> None:
    name = office.accept("bob@example.com", "eve@example.net", state=State.DEFERRED)
    first, second = office.json("queue", "list")
    assert set(first) == SHAPE
    assert (first["id"], first["message"]) == (f"{name}-1", name)
    assert first["state"] == "deferred"
    assert first["next_attempt"].endswith("Z")
    assert second["recipient"] == "eve@example.net"
    assert (first["cause"], first["reply"]) == ("rate", "450 4.2.0 Come back later")


def test_the_list_for_people(office: Office) -> None:
    said = office("queue", "list")
    assert (said.out, said.err) == ("", "the queue is empty\n")
    office.accept("bob@example.com", "eve@example.net", state=State.DEFERRED)
    said = office("queue", "list", "--limit", "1")
    assert len(said.out.splitlines()) == 2
    assert "rate: 450 4.2.0 Come back later" in said.out
    assert "\trelay.example\t" in said.out
    assert "in 59 min" in said.out
    assert "the first 1 are shown" in said.err
    assert "in all: 2 deferred" in said.err


@pytest.mark.parametrize(
    ("option", "value", "count"),
    [
        ("--sender", "ann@example.org", 2),
        ("--sender", "else@example.org", 0),
        ("--recipient", "bob@example.com", 1),
        ("--domain", "example.net", 1),
        ("--route", "upstream:relay", 2),
        ("--cause", "rate", 2),
        ("--cause", "dns", 0),
        ("--site", "Relay.example", 2),
        ("--site", "google", 0),
        ("--state", "deferred", 2),
        ("--state", "held", 0),
    ],
)
def test_filters(office: Office, option: str, value: str, count: int) -> None:
    office.accept("bob@example.com", "eve@example.net", state=State.DEFERRED)
    assert len(office.json("queue", "list", option, value)) == count


def test_finished_deliveries_only_when_asked_for(office: Office) -> None:
    office.accept("bob@example.com", state=State.DELIVERED)
    assert office.json("queue", "list") == []
    assert len(office.json("queue", "list", "--all")) == 1
    assert len(office.json("queue", "list", "--state", "delivered")) == 1


def test_hold_release_retry_cancel(office: Office) -> None:
    name = office.accept("bob@example.com", "eve@example.net", state=State.DEFERRED)
    assert office.json("queue", "hold", f"{name.lower()}-1") == {"changed": 1}
    assert states(office) == {"bob@example.com": "held", "eve@example.net": "deferred"}
    assert "1 delivery released" in office("queue", "release", name).out
    assert "2 deliveries due now" in office("queue", "retry", "--sender", "ann@example.org").out
    assert office.json("queue", "cancel", "--domain", "example.net") == {"changed": 1}
    assert states(office)["eve@example.net"] == "cancelled"
    assert office.json("queue", "hold", "--all") == {"changed": 1}


def test_nothing_that_fits_is_no(office: Office) -> None:
    name = office.accept("bob@example.com", state=State.DELIVERED)
    said = office("queue", "retry", name)
    assert (said.status, said.out) == (1, "")
    assert "no delivery is due now" in said.err
    said = office("queue", "retry", name, "--json")
    assert (said.status, said.document) == (1, {"changed": 0})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("retry",), "nothing is chosen; name an ID"),
        (("hold", "xyz"), "is not a queue id"),
        (("hold", "0000000000001-x"), "is not a delivery id"),
        (("list", "--cause", "moon"), "'moon' is no cause; write one of authentication"),
        (("list", "--state", "lost"), "'lost' is no state; write one of queued"),
    ],
)
def test_wrong_choices(office: Office, words: tuple[str, ...], told: str) -> None:
    said = office("queue", *words)
    assert (said.status, said.out) == (2, "")
    assert told in said.err


def test_show(office: Office) -> None:
    name = office.accept("bob@example.com", state=State.DEFERRED)
    said = office("queue", "show", f"{name}-1", "--transcript")
    assert f"message {name}" in said.out
    assert "C: EHLO mail.example.org" in said.out
    assert office.json("queue", "show", name)["message"]["id"] == name
    for missing in ("0000000000001", f"{name}-7"):
        said = office("queue", "show", missing)
        assert (said.status, said.out) == (1, "")
        assert "there is no" in said.err
