"""Destinations: the order in which exchangers are tried, and what makes two of them one site."""

from __future__ import annotations

from postwicket.delivery.destination import Destination, Exchanger
from postwicket.delivery.dialling import Target


def exchanger(name: str, preference: int) -> Exchanger:
    target = Target("192.0.2.1", 25, f"{name}[192.0.2.1]:25")
    return Exchanger(name=name, preference=preference, addresses=(target,), port=25)


MIXED = Destination(
    domain="example.com",
    exchangers=(exchanger("a", 5), exchanger("b", 10), exchanger("c", 10), exchanger("d", 20)),
)


def test_chance_only_moves_what_is_equally_preferred() -> None:
    turned = MIXED.in_order(lambda group: group[::-1])
    assert [one.name for one in turned] == ["a", "c", "b", "d"]
    assert [one.name for one in MIXED.in_order(lambda group: group)] == ["a", "b", "c", "d"]


def test_domains_with_the_same_exchangers_are_one_site_in_whatever_order() -> None:
    other = Destination(domain="example.net", exchangers=MIXED.exchangers[::-1])
    assert other.hosts == MIXED.hosts
    assert Destination(domain="x", exchangers=MIXED.exchangers[:3]).hosts != MIXED.hosts
