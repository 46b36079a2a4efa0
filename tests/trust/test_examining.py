"""Each difference between DNS and what it should say is named, with its cure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from postwicket.trust.examining import Ground, examine
from postwicket.trust.finding import Finding
from postwicket.trust.lookup import Verdict
from postwicket.trust.mta_sts import Mode, PolicyInvalid, StsPolicy
from postwicket.trust.publishing import Situation

from .dkim_keys import DAY, ED25519, RSA
from .scripted import ScriptedResolver
from .test_publishing import DOMAIN, HERE

RSA_NAME = f"{RSA.kept.name} TXT"
GOOD: Mapping[str, str | Verdict] = {
    "_postwicket-challenge.example.org TXT": "postwicket=0123abcd",
    RSA_NAME: RSA.kept.record,
    f"{ED25519.kept.name} TXT": ED25519.kept.record,
    "example.org TXT": "unrelated|v=spf1 a:mail.example.org ~all",
    "example.org MX": "10 mx1.example.org; 20 mx2.example.net",
    "_dmarc.example.org TXT": "v=DMARC1; p=reject; rua=mailto:dmarc@returns.example.org",
    "_mta-sts.example.org TXT": "v=STSv1; id=1",
    "_smtp._tls.example.org TXT": "v=TLSRPTv1; rua=mailto:tlsrpt@returns.example.org",
    "returns.example.org MX": "10 mail.example.org",
    "returns.example.org TXT": "v=spf1 a:mail.example.org -all",
    "mail.example.org A": "192.0.2.25",
    "mail.example.org AAAA": "2001:db8::25",
    "192.0.2.25 PTR": "mail.example.org",
    "2001:db8::25 PTR": "mail.example.org",
}
VERIFIED = replace(HERE, domain=replace(DOMAIN, verified=DAY))
POLICY = StsPolicy(mode=Mode.ENFORCE, mx=("*.example.org", "mx2.example.net"), max_age=1)


def look(
    changes: Mapping[str, str | Verdict | None] | None = None,
    here: Situation = VERIFIED,
    policy: StsPolicy | str = POLICY,
) -> list[Finding]:
    """Examine a world that is right but for these changes; None takes an answer away."""
    answers = {**GOOD, **(changes or {})}
    known = {name: said for name, said in answers.items() if said is not None}

    async def fetch(domain: str) -> StsPolicy:
        assert domain == "example.org"
        if isinstance(policy, str):
            raise PolicyInvalid(policy)
        return policy

    return asyncio.run(examine(Ground(here, ScriptedResolver(known), fetch)))


def test_where_all_is_well_nothing_is_found() -> None:
    found = look()
    assert {one.level for one in found} == {"ok"}, [one for one in found if one.level != "ok"]
    topics = {one.topic for one in found}
    assert {"DKIM", "SPF", "DMARC", "MX", "MTA-STS", "TLS-RPT", "PTR", "return path"} <= topics


CASES: list[tuple[str, str | Verdict | None, str, str, str, str]] = [
    (RSA_NAME, None, "DKIM", "wrong", "(active) is not published", "publish pw20261124r._dom"),
    (RSA_NAME, "v=DKIM1; p=", "DKIM", "wrong", "revokes", "publish pw20261124r._domainkey"),
    (RSA_NAME, "v=DKIM1; p=a|v=DKIM1; p=b", "DKIM", "wrong", "2 records", "publish"),
    (RSA_NAME, Verdict.TIMEOUT, "DKIM", "unknown", "did not answer", "again later"),
    ("example.org TXT", None, "SPF", "note", "no SPF record", "v=spf1 a:mail.example.org ~all"),
    ("returns.example.org TXT", None, "SPF", "wrong", "no SPF record", "-all"),
    ("returns.example.org TXT", "v=spf1 mx|v=spf1 a", "SPF", "wrong", "2 SPF", "join them"),
    ("returns.example.org TXT", "v=spf1 mx:", "SPF", "wrong", "cannot be read", "correct it"),
    ("returns.example.org TXT", "v=spf1 +all", "SPF", "wrong", "everybody", "write ~all or"),
    ("returns.example.org TXT", "v=spf1 ip4:192.0.2.25", "SPF", "note", "no end", "add ~all"),
    ("returns.example.org TXT", "v=spf1 ptr ~all", "SPF", "note", "uses ptr", "addresses"),
    ("returns.example.org TXT", "v=spf1 -all", "SPF", "wrong", "gets fail", "put a:mail.example"),
    ("returns.example.org TXT", f"v=spf1{' a' * 11}", "SPF", "wrong", "more than", "take out"),
    ("returns.example.org TXT", Verdict.FAILED, "SPF", "unknown", "failed", "again"),
    ("_dmarc.example.org TXT", None, "DMARC", "wrong", "no DMARC", "_dmarc.example.org TXT"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=none|v=DMARC1; p=none", "DMARC", "wrong", "several",
     "leave one"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=none; rua=mailto:a@example.org", "DMARC", "note",
     "forged mail is delivered", "p=quarantine"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=reject", "DMARC", "note", "nobody gets reports",
     "rua=mailto:dmarc@"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=reject; pct=20; rua=mailto:a@example.org", "DMARC",
     "note", "pct= is no more", "_dmarc.example.org"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=reject; t=y; rua=mailto:a@example.org", "DMARC",
     "note", "t=y", "remove t=y"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=reject; rua=mailto:a@other.example", "DMARC", "note",
     "has not agreed", "example.org._report._dmarc.other.example"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=reject; aspf=s; rua=mailto:a@example.org", "DMARC",
     "note", "SPF is not aligned", "DKIM"),
    ("_dmarc.example.org TXT", "v=DMARC1; p=reject; adkim=s; rua=mailto:a@example.org", "DMARC",
     "note", "adkim=s", "domain add for each"),
    ("_dmarc.example.org TXT", Verdict.TIMEOUT, "DMARC", "unknown", "did not answer", "again"),
    ("example.org MX", "0 .", "MX", "wrong", "null MX", "give it an MX"),
    ("example.org MX", None, "MX", "wrong", "neither MX nor address", "give it an MX"),
    ("_mta-sts.example.org TXT", "v=STSv1", "MTA-STS", "wrong", "cannot be read", "id="),
    ("example.org MX", "1 mx.other.example", "MTA-STS", "wrong", "does not name mx.other.example",
     "mx: mx.other.example"),
    ("_smtp._tls.example.org TXT", "v=TLSRPTv1; rua=me", "TLS-RPT", "wrong", "cannot be read",
     "rua=mailto:"),
    ("returns.example.org MX", "10 mx.example.net", "return path", "wrong", "do not come to this",
     "returns.example.org MX 10 mail.example.org."),
    ("mail.example.org A", "192.0.2.99", "server", "wrong", "does not lead to 192.0.2.25",
     "mail.example.org A 192.0.2.25"),
    ("192.0.2.25 PTR", None, "PTR", "wrong", "no PTR", "gave you the address"),
    ("192.0.2.25 PTR", "h25.isp.example", "PTR", "wrong", "does not lead back", "have the PTR"),
    ("192.0.2.25 PTR", "mx2.example.net", "PTR", "wrong", "does not lead back", "have the PTR"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "said", "topic", "level", "words", "cure"), CASES)
def test_a_difference_is_named_with_its_cure(
    name: str, said: str | Verdict | None, topic: str, level: str, words: str, cure: str
) -> None:
    found = look({name: said})
    assert any(
        (one.topic, one.level) == (topic, level) and words in one.text and cure in one.cure
        for one in found
    ), [one for one in found if one.level != "ok"]


def test_an_unverified_domain_and_one_without_keys() -> None:
    found = look(here=replace(HERE, keys=()))
    assert (
        Finding(
            "ownership",
            "wrong",
            "the proof is in DNS; it was not looked at",
            "postwicket domain verify example.org",
        )
        in found
    )
    assert any("no key is active" in one.text for one in found)
    unproved = look({"_postwicket-challenge.example.org TXT": "postwicket=other"}, HERE)
    assert "another token" in unproved[0].text
    assert '"postwicket=0123abcd"' in unproved[0].cure


def test_a_policy_that_cannot_be_had() -> None:
    found = look(policy="404 Not Found")
    assert any(
        one.text == "404 Not Found" and "https://mta-sts.example.org/" in one.cure for one in found
    )


def test_another_confirmed_name_is_only_a_note() -> None:
    found = look({"192.0.2.25 PTR": "box.example.net", "box.example.net A": "192.0.2.25"})
    assert any(one.topic == "PTR" and one.level == "note" for one in found)


def test_a_server_without_an_address() -> None:
    found = look(here=replace(VERIFIED, addresses=()))
    assert any("no address in DNS" in one.text and one.level == "wrong" for one in found)
