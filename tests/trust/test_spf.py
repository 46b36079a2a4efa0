"""SPF records are read strictly, and evaluated with the limits of RFC 7208."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.lookup import Verdict
from postwicket.trust.spf import Findings, SpfInvalid, check_host, parse

from .scripted import ScriptedResolver

HOME = {"mail.example.org A": "192.0.2.1", "mail.example.org AAAA": "2001:db8::1"}


def check(
    answers: Mapping[str, str | Verdict], address: str = "192.0.2.1", domain: str = "example.org"
) -> Findings:
    return asyncio.run(check_host(address, domain, ScriptedResolver({**HOME, **answers})))


@pytest.mark.parametrize(
    ("record", "address", "result"),
    [
        ("v=spf1 a:mail.example.org -all", "192.0.2.1", "pass"),
        ("v=spf1 a:mail.example.org -all", "2001:db8::1", "pass"),
        ("v=spf1 a:mail.example.org -all", "192.0.2.2", "fail"),
        ("v=spf1 a:mail.example.org/24 -all", "192.0.2.9", "pass"),
        ("v=spf1 a:mail.example.org/24//64 -all", "2001:db8::9", "pass"),
        ("v=spf1 a:mail.example.org//64 ~all", "2001:db8:1::9", "softfail"),
        ("V=SPF1 IP4:192.0.2.0/24 ?all", "192.0.2.77", "pass"),
        ("v=spf1 ip6:2001:db8::/32 ?all", "2001:db8::77", "pass"),
        ("v=spf1 ip4:198.51.100.0/24 ?all", "192.0.2.1", "neutral"),
        ("v=spf1 mx -all", "192.0.2.1", "pass"),
        ("v=spf1 include:_spf.example.net -all", "203.0.113.5", "pass"),
        ("v=spf1 include:_spf.example.net ~all", "203.0.113.6", "softfail"),
        ("v=spf1 redirect=_spf.example.net", "203.0.113.6", "fail"),
        ("v=spf1 redirect=_spf.example.net -all", "203.0.113.5", "fail"),
        ("v=spf1 exists:%{ir}.%{v}.ok.example -all", "192.0.2.1", "pass"),
        ("v=spf1 exists:%{l1r-}.%{d2}.ok.example ~all", "192.0.2.1", "softfail"),
        ("v=spf1 ptr -all", "192.0.2.1", "pass"),
        ("v=spf1", "192.0.2.1", "neutral"),
        ("v=spf1 exp=%{d} moo=cow -all", "192.0.2.1", "fail"),
        ("v=spf1 a:%{x}.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 include:nothing.example -all", "192.0.2.1", "permerror"),
        ("v=spf1 redirect=nothing.example", "192.0.2.1", "permerror"),
        ("v=spf1 ipv4:192.0.2.1 -all", "192.0.2.1", "permerror"),
    ],
)
def test_what_a_receiver_says(record: str, address: str, result: str) -> None:
    found = check(
        {
            "example.org TXT": record,
            "example.org MX": "10 mail.example.org",
            "_spf.example.net TXT": "v=spf1 ip4:203.0.113.5 -all",
            "1.2.0.192.in-addr.ok.example A": "127.0.0.2",
            "192.0.2.1 PTR": "mail.example.org",
            "nothing.example A": "192.0.2.9",
        },
        address,
    )
    assert found.result == result, found.why


def test_no_record_and_two_records() -> None:
    assert check({"example.org TXT": "hello"}).result == "none"
    two = check({"example.org TXT": "v=spf1 -all|v=spf1 ~all"})
    assert (two.result, two.why) == ("permerror", "example.org has 2 SPF records; one is allowed")


def test_the_eleventh_lookup_is_one_too_many() -> None:
    terms = " ".join(["a:mail.example.org"] * 10)
    answers = {"example.org TXT": f"v=spf1 {terms} -all"}
    assert check(answers, "192.0.2.9").result == "fail"
    assert check(answers, "192.0.2.9").lookups == 10
    answers = {"example.org TXT": f"v=spf1 {terms} a:mail.example.org -all"}
    assert "more than 10" in check(answers, "192.0.2.9").why
    circle = check({"example.org TXT": "v=spf1 include:example.org -all"})
    assert circle.result == "permerror"


def test_the_third_void_lookup_is_one_too_many() -> None:
    found = check({"example.org TXT": "v=spf1 a:x.example a:y.example a:z.example -all"})
    assert (found.result, found.why) == ("permerror", "more than 2 look-ups find nothing")
    assert check({"example.org TXT": "v=spf1 a:x.example a:y.example ~all"}).result == "softfail"


def test_nobody_knows_is_not_a_no() -> None:
    found = check({"example.org TXT": "v=spf1 a:x.example -all", "x.example A": Verdict.TIMEOUT})
    assert found.result == "temperror"
    assert "x.example" in found.why


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=spf2 -all", "begin"),
        ("v=spf1 all:x", "too much"),
        ("v=spf1 include:", "no term"),
        ("v=spf1 include", "names no domain"),
        ("v=spf1 ip4:1.2.3", "no IPv4"),
        ("v=spf1 ip4:2001:db8::1", "no IPv4"),
        ("v=spf1 ip6:192.0.2.1", "no IPv6"),
        ("v=spf1 a/33", "too long"),
        ("v=spf1 a//129", "too long"),
        ("v=spf1 redirect=a redirect=b", "twice"),
        ("v=spf1 redirect=", "no domain"),
        ("v=spf1 \u00e4", "ASCII"),
        ("v=spf1 -all\tx", "ASCII"),
    ],
)
def test_an_error_spoils_the_record(record: str, words: str) -> None:
    with pytest.raises(SpfInvalid, match=words):
        parse(record)


@given(st.text(max_size=80), st.sampled_from(["", "v=spf1 ", "v=spf1 a:", "v=spf1 exists:%{"]))
def test_any_text_is_a_record_or_says_why_not(text: str, start: str) -> None:
    with contextlib.suppress(SpfInvalid):
        parse(start + text)
    assert check({"example.org TXT": start + text.replace("|", "")}).result
