"""One table: what is known about an exchanger, and how safe the connection has to be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.cause import Cause
from postwicket.core.tls_verdict import TlsVerdict
from postwicket.policy.cause import cause_of
from postwicket.policy.transport import Facts, Level, Rule, Security, secure
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.trust.dane import Dane, DaneState
from postwicket.trust.lookup import TlsaRecord
from postwicket.trust.mta_sts import Mode, StsPolicy

MX = "mx.example.net"
RECORD = TlsaRecord(3, 1, 1, b"d" * 32)
USABLE = Dane(DaneState.USABLE, MX, (MX, "example.com"), (RECORD,))
UNUSABLE = Dane(DaneState.UNUSABLE, MX, records=(TlsaRecord(0, 0, 1, b"d" * 32),), why="kinds")
FAILED = Dane(DaneState.FAILED, MX, why="the name servers failed")
NONE = Dane()
ENFORCE = StsPolicy(mode=Mode.ENFORCE, mx=("mx.example.net",), max_age=86_400, lines=("l",))
TESTING = replace(ENFORCE, mode=Mode.TESTING)
OFF = StsPolicy(mode=Mode.NONE, mx=(), max_age=86_400)
OTHERS = replace(ENFORCE, mx=("*.example.org",))
OTHERS_TESTING = replace(OTHERS, mode=Mode.TESTING)


def facts(**known: object) -> Facts:
    return replace(Facts(domain="example.com", exchanger=MX), **known)  # type: ignore[arg-type]


def told(found: Security | Answer) -> str:
    """Return level, names and flags, or the rule, in one line."""
    if isinstance(found, Answer):
        assert found.stage is Stage.ROUTE
        assert found.ours
        assert found.reply is not None
        assert cause_of(found) is Cause.ENCRYPTION
        return f"{found.reply.code} {found.reply.rule}"
    words = [found.level.name, *found.names]
    words += [word for word in ("clear_allowed", "trial", "require_tls") if getattr(found, word)]
    words += [found.published.kind] if found.published.kind != "no-policy-found" else []
    return " ".join(words)


VERIFIED = f"VERIFY {MX}"
BY_DANE = f"DANE {MX} example.com tlsa"
ANYHOW = "OPPORTUNISTIC clear_allowed"


@pytest.mark.parametrize(
    ("known", "needed"),
    [
        ({}, ANYHOW),
        ({"rule": Rule.ENCRYPT}, "ENCRYPT"),
        ({"rule": Rule.VERIFY}, VERIFIED),
        ({"rule": Rule.DANE}, "451 tls.dane-needed"),
        ({"sts": OFF}, ANYHOW),
        ({"sts": ENFORCE}, f"{VERIFIED} sts"),
        ({"sts": ENFORCE, "rule": Rule.ENCRYPT}, f"{VERIFIED} sts"),
        ({"sts": ENFORCE, "rule": Rule.DANE}, "451 tls.dane-needed"),
        ({"sts": OTHERS}, "451 tls.mta-sts-mx"),
        ({"sts": TESTING}, f"{VERIFIED} clear_allowed trial sts"),
        ({"sts": OTHERS_TESTING}, f"{ANYHOW} sts"),
        ({"sts": TESTING, "rule": Rule.ENCRYPT}, "ENCRYPT"),
        ({"sts": TESTING, "rule": Rule.VERIFY}, VERIFIED),
        ({"dane": USABLE}, BY_DANE),
        ({"dane": USABLE, "sts": ENFORCE}, BY_DANE),
        ({"dane": USABLE, "sts": OTHERS}, BY_DANE),
        ({"dane": USABLE, "rule": Rule.DANE}, BY_DANE),
        ({"dane": USABLE, "rule": Rule.VERIFY}, BY_DANE),
        ({"dane": UNUSABLE}, "ENCRYPT tlsa"),
        ({"dane": UNUSABLE, "sts": TESTING}, "ENCRYPT tlsa"),
        ({"dane": UNUSABLE, "sts": OTHERS_TESTING}, "ENCRYPT tlsa"),
        ({"dane": UNUSABLE, "sts": OFF}, "ENCRYPT tlsa"),
        ({"dane": UNUSABLE, "sts": ENFORCE}, f"{VERIFIED} sts"),
        ({"dane": UNUSABLE, "sts": OTHERS}, "451 tls.mta-sts-mx"),
        ({"dane": UNUSABLE, "rule": Rule.VERIFY}, f"{VERIFIED} tlsa"),
        ({"dane": UNUSABLE, "rule": Rule.DANE}, "451 tls.dane-needed"),
        ({"dane": FAILED}, "451 tls.dane-lookup"),
        ({"dane": FAILED, "sts": ENFORCE}, "451 tls.dane-lookup"),
        ({"dane": FAILED, "rule": Rule.OPPORTUNISTIC}, "451 tls.dane-lookup"),
    ],
)
def test_what_a_connection_needs(known: dict[str, object], needed: str) -> None:
    assert told(secure(facts(**known))) == needed


@pytest.mark.parametrize(
    ("known", "needed"),
    [
        ({}, ANYHOW),
        ({"sts": ENFORCE}, ANYHOW),
        ({"sts": OTHERS}, ANYHOW),
        ({"dane": USABLE}, ANYHOW),
        ({"dane": UNUSABLE}, ANYHOW),
        ({"dane": FAILED}, ANYHOW),
        ({"dane": USABLE, "rule": Rule.ENCRYPT}, "ENCRYPT"),
        ({"rule": Rule.VERIFY}, VERIFIED),
        ({"rule": Rule.DANE}, VERIFIED),
    ],
)
def test_a_sender_waives_what_the_domain_publishes_and_not_what_the_operator_demands(
    known: dict[str, object], needed: str
) -> None:
    assert told(secure(facts(tls_optional=True, **known))) == needed


@pytest.mark.parametrize("tls_optional", [False, True])
@pytest.mark.parametrize(
    ("known", "needed"),
    [
        ({}, "550 tls.require-tls"),
        ({"sts": OFF}, "550 tls.require-tls"),
        ({"sts": OTHERS}, "451 tls.mta-sts-mx"),
        ({"secure_mx": True, "sts": OTHERS}, "451 tls.mta-sts-mx"),
        ({"sts": OTHERS_TESTING}, "550 tls.require-tls"),
        ({"secure_mx": True, "rule": Rule.DANE}, "451 tls.dane-needed"),
        ({"secure_mx": True, "dane": UNUSABLE, "sts": OTHERS}, "451 tls.mta-sts-mx"),
        ({"rule": Rule.VERIFY}, "550 tls.require-tls"),
        ({"secure_mx": True}, f"{VERIFIED} require_tls"),
        ({"secure_mx": True, "sts": OTHERS_TESTING}, f"{VERIFIED} require_tls"),
        ({"sts": ENFORCE}, f"{VERIFIED} require_tls sts"),
        ({"sts": TESTING}, f"{VERIFIED} require_tls sts"),
        ({"dane": USABLE, "secure_mx": True}, f"DANE {MX} example.com require_tls tlsa"),
        ({"dane": UNUSABLE, "secure_mx": True}, f"{VERIFIED} require_tls"),
        ({"dane": FAILED, "secure_mx": True}, "451 tls.dane-lookup"),
    ],
)
def test_require_tls_wants_a_name_that_is_vouched_for(
    known: dict[str, object], needed: str, *, tls_optional: bool
) -> None:
    assert told(secure(facts(require_tls=True, tls_optional=tls_optional, **known))) == needed


def test_what_is_tried_when_tls_does_not_come_about() -> None:
    def steps(known: dict[str, object]) -> list[str]:
        found = secure(facts(**known))
        levels = []
        while isinstance(found, Security):
            levels.append(found.level.name)
            further = found.otherwise()
            if further is None:
                break
            found = further
        return levels

    assert steps({}) == ["OPPORTUNISTIC", "NONE"]
    assert steps({"sts": TESTING}) == ["VERIFY", "OPPORTUNISTIC", "NONE"]
    assert steps({"sts": ENFORCE}) == ["VERIFY"]
    assert steps({"dane": USABLE}) == ["DANE"]
    assert steps({"dane": UNUSABLE}) == ["ENCRYPT"]
    assert steps({"rule": Rule.ENCRYPT}) == ["ENCRYPT"]
    assert steps({"secure_mx": True, "require_tls": True}) == ["VERIFY"]


def test_an_exchanger_outside_a_policy_on_trial_is_counted() -> None:
    found = secure(facts(sts=OTHERS_TESTING))
    assert isinstance(found, Security)
    assert found.flaw is TlsVerdict.FAILED
    assert found.published.mx == ("*.example.org",)


def test_only_what_matters_tells_connections_apart() -> None:
    first, second = secure(facts(sts=ENFORCE)), secure(facts(sts=ENFORCE, domain="example.org"))
    other = secure(facts())
    assert isinstance(first, Security)
    assert isinstance(second, Security)
    assert isinstance(other, Security)
    assert first.demand == second.demand
    assert first.demand != other.demand
    assert hash(first.demand) == hash(second.demand)


def test_records_are_reported_as_zone_files_write_them() -> None:
    found = secure(facts(dane=USABLE))
    assert isinstance(found, Security)
    assert found.published.lines == (f"3 1 1 {'64' * 32}",)
    assert found.server_name == MX


@given(
    st.builds(
        Facts,
        domain=st.just("example.com"),
        exchanger=st.just(MX),
        secure_mx=st.booleans(),
        dane=st.sampled_from([NONE, USABLE, UNUSABLE, FAILED]),
        sts=st.sampled_from([None, OFF, ENFORCE, TESTING, OTHERS, OTHERS_TESTING]),
        rule=st.sampled_from(Rule),
        require_tls=st.booleans(),
        tls_optional=st.booleans(),
    )
)
def test_what_may_never_be(known: Facts) -> None:
    """Clear text where somebody forbids it, and REQUIRETLS without a verified peer."""
    found = secure(known)
    waived = known.tls_optional and not known.require_tls
    if isinstance(found, Answer):
        assert not waived
        return
    forbidden = known.dane.state is not DaneState.NONE or known.sts in {ENFORCE, OTHERS}
    if known.require_tls or known.rule is not Rule.OPPORTUNISTIC or (forbidden and not waived):
        assert not found.clear_allowed
        assert found.otherwise() is None
    if known.require_tls:
        assert found.verified
        assert found.require_tls
    if known.dane.state is DaneState.USABLE and not waived:
        assert found.level is Level.DANE
