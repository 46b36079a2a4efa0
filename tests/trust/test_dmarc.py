"""DMARC as RFC 9989 has it: tags that went and came, the tree walk, alignment."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.dmarc import Found, aligned, find, read, walk
from postwicket.trust.lookup import Verdict

from .scripted import ScriptedResolver


def found(domain: str, **records: str | Verdict) -> Found:
    """Find, with `_dmarc` records by domain, dots written as two underscores."""
    answers = {f"_dmarc.{name.replace('__', '.')} TXT": text for name, text in records.items()}
    return asyncio.run(find(domain, ScriptedResolver(answers)))


def test_what_a_record_says() -> None:
    record = read(
        "v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; t=y; rua=mailto:a@b.example"
    )
    assert record is not None
    assert (record.p, record.sp, record.np) == ("reject", "quarantine", "none")
    assert (record.adkim, record.aspf, record.testing) == ("s", "r", True)
    assert record.rua == ("mailto:a@b.example",)
    assert record.notes == ()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("v=DMARC1; p=none; pct=50", "pct= is no more since RFC 9989"),
        ("v=DMARC1; p=none; rf=afrf", "rf= is no more"),
        ("v=DMARC1; p=none; ri=86400", "ri= is no more"),
        ("v=DMARC1; p=none; x=1", "'x' is no tag"),
        ("v=DMARC1; p=none; sp=maybe", "sp=maybe is none of none, quarantine, reject"),
        ("v=DMARC1; p=none; p=reject", "p= stands twice"),
        ("v=DMARC1; p=none; rua=dmarc@example.org", "is no mailto: address"),
        ("v=DMARC1; rua=mailto:a@b.example", "counts as p=none"),
        ("v=DMARC1; p=maybe; rua=mailto:a@b.example", "counts as p=none"),
    ],
)
def test_what_is_odd_is_told_and_the_record_counts(text: str, note: str) -> None:
    record = read(text)
    assert record is not None
    assert record.p == "none"
    assert any(note in one for one in record.notes), record.notes


@pytest.mark.parametrize(
    "text",
    ["", "v=DMARC1", "v=DMARC1; p=maybe", "p=none; v=DMARC1", "v=dmarc1; p=none", "v=DMARC12"],
)
def test_what_is_no_record(text: str) -> None:
    assert read(text) is None


def test_the_walk_asks_at_most_eight_times() -> None:
    assert walk("example.org") == ["example.org", "org"]
    deep = "a.b.c.d.e.f.g.h.i.example.com"
    assert walk(deep)[:3] == [deep, "e.f.g.h.i.example.com", "f.g.h.i.example.com"]
    assert len(walk(deep)) == 8
    assert walk("b.c.d.e.f.g.example.com")[1] == "c.d.e.f.g.example.com"


def test_the_policy_is_the_domains_own_else_its_organizations() -> None:
    own = found("a.example.org", example__org="v=DMARC1; p=reject; sp=none")
    assert (own.at, own.organization) == ("example.org", "example.org")
    both = found(
        "a.example.org",
        a__example__org="v=DMARC1; p=none",
        example__org="v=DMARC1; p=reject",
    )
    assert (both.at, both.organization) == ("a.example.org", "example.org")
    middle = found(
        "x.a.example.org",
        a__example__org="v=DMARC1; p=none",
        example__org="v=DMARC1; p=reject",
    )
    assert middle.at == "example.org"


def test_psd_says_where_the_organization_begins() -> None:
    bank = found("mail.good.bank", bank="v=DMARC1; p=reject; psd=y")
    assert (bank.at, bank.organization) == ("bank", "good.bank")
    own = found(
        "x.team.example.org",
        team__example__org="v=DMARC1; p=none; psd=n",
        example__org="v=DMARC1; p=none",
    )
    assert (own.at, own.organization) == ("team.example.org", "team.example.org")
    itself = found("bank", bank="v=DMARC1; p=reject; psd=y")
    assert itself.organization == "bank"


def test_none_several_and_nobody_knows() -> None:
    nothing = found("mail.example.org")
    assert (nothing.record, nothing.organization) == (None, "mail.example.org")
    two = found("example.org", example__org="v=DMARC1; p=none|v=DMARC1; p=reject")
    assert (two.record, two.several) == (None, ("example.org",))
    failed = found("example.org", example__org=Verdict.TIMEOUT)
    assert "_dmarc.example.org" in failed.failed


def test_alignment() -> None:
    same = ("example.org", "example.org")
    assert aligned("a.example.org", "b.example.org", same, strict=False)
    assert not aligned("a.example.org", "b.example.org", same, strict=True)
    assert aligned("a.example.org", "a.example.org", same, strict=True)
    assert not aligned(
        "example.org", "notexample.org", ("example.org", "notexample.org"), strict=False
    )


@given(st.text(max_size=100))
def test_any_text_is_a_record_or_none(text: str) -> None:
    for one in (text, f"v=DMARC1; {text}", f"v=DMARC1; p=none; rua={text}"):
        record = read(one)
        assert record is None or record.p in {"none", "quarantine", "reject"}
