"""Which domains share a limit, and what the table says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.config.sending import Destination
from postwicket.delivery.sites import LONGEST_NAME, Sites, name_of, table


@pytest.mark.parametrize(
    ("exchangers", "site"),
    [
        ([(10, "aspmx.l.google.com"), (20, "alt1.aspmx.l.google.com")], "google"),
        ([(5, "gmail-smtp-in.l.google.com")], "google"),
        ([(10, "smtp.google.com"), (20, "backup.example.net")], "google"),
        ([(10, "mx.example.net"), (20, "smtp.google.com")], "mx.example.net,smtp.google.com"),
        ([(10, "contoso-com.mail.protection.outlook.com")], "microsoft"),
        ([(0, "contoso-com.a-v1.mx.microsoft")], "microsoft"),
        ([(5, "outlook-com.olc.protection.outlook.com")], "microsoft-consumer"),
        ([(1, "mta7.am0.yahoodns.net")], "yahoo"),
        ([(10, "mx01.mail.icloud.com")], "apple"),
        ([(10, "mx00.gmx.net")], "gmx"),
        ([(10, "notgoogle.com")], "notgoogle.com"),
        ([(10, "google.com.evil.example")], "google.com.evil.example"),
    ],
)
def test_the_preferred_exchangers_decide(exchangers: list[tuple[int, str]], site: str) -> None:
    assert Sites().of("example.com", exchangers).name == site


def test_domains_with_the_same_exchangers_are_one_site() -> None:
    sites = Sites()
    one = sites.of("a.example", [(10, "mx1.host.example"), (20, "mx2.host.example")])
    other = sites.of("b.example", [(5, "mx2.host.example"), (5, "mx1.host.example")])
    assert one == other


def test_the_configuration_goes_first_and_inherits() -> None:
    sites = Sites(
        [
            Destination(domains=("*.big.example",), connections=3),
            Destination(exchangers=("*.google.com",), messages_per_minute=60),
            Destination(domains=("example.com",), tls="encrypt"),  # says nothing of pace
        ],
        workers=2,
    )
    big = sites.of("x.big.example", [(10, "mx.x.example")])
    assert (big.name, big.rule.connections) == ("destination *.big.example", 2)
    google = sites.of("example.com", [(10, "smtp.google.com")])
    assert google.name == "destination *.google.com"
    assert google.rule.per_minute == 30
    assert google.rule.messages_per_connection == 50  # the table's
    assert sites.of("example.com", [(10, "mx.example.com")]).name == "mx.example.com"


@given(st.sets(st.from_regex(r"\A[a-z]{1,30}\.[a-z]{1,30}\.example\Z"), min_size=1, max_size=10))
def test_names_are_short_and_depend_on_the_set_only(names: set[str]) -> None:
    name = name_of(names)
    assert len(name) <= LONGEST_NAME
    assert name == name_of(sorted(names, reverse=True))
    assert name != name_of({*names, "zzz.another.example"})


def test_every_entry_is_complete() -> None:
    names = [known.site.name for known in table()]
    assert len(set(names)) == len(names) >= 10
    for known in table():
        assert known.source, known.site.name
        assert len(known.why) > 40
        assert 1 <= known.site.rule.connections <= 100
        assert known.site.rule.messages_per_connection >= 1
        assert known.site.idle > 0
        assert all(glob.startswith("*.") for glob in known.exchangers)
