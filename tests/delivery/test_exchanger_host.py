"""Clear text is tried only where TLS was what failed and nothing forbids it, and remembered."""

from __future__ import annotations

from dataclasses import replace

from postwicket.core.tls_verdict import TlsVerdict
from postwicket.delivery.destination import Exchanger
from postwicket.delivery.exchanger_host import (
    WEAKER_FOR,
    ExchangerHost,
    Lately,
)
from postwicket.net.certificates import client_context
from postwicket.net.reach import Reach
from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.transport import Level, Security
from postwicket.smtp.client.answer import Answer, Stage, Trouble

MX = Exchanger(name="mx.example.com", preference=10, addresses=(), port=25)
ANYHOW = Security(level=Level.OPPORTUNISTIC, server_name="mx.example.com", clear_allowed=True)
TRIAL = replace(ANYHOW, level=Level.VERIFY, names=("mx.example.com",), trial=True)
CONTEXT = client_context(None, verify=False)
FAILED = Answer(Stage.TLS, None, Trouble.TLS, "no shared cipher")


class Clock:
    """A clock that stands until somebody moves it."""

    now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def plan(security: Security) -> TlsPlan | None:
    """Return TLS for whatever is more than clear text; its name says the level."""
    return None if security.level is Level.NONE else TlsPlan(CONTEXT, security.level.name)


def host(clock: Clock, security: Security) -> ExchangerHost:
    return ExchangerHost(
        MX,
        security,
        hostname="us.example",
        tls=plan,
        lately=Lately(clock),
        reach=Reach(),
    )


def test_once_and_then_remembered_for_a_while() -> None:
    clock = Clock()
    mx = host(clock, ANYHOW)
    assert mx.once_more(Answer(Stage.CONNECT, None, Trouble.TIMEOUT)) == ""
    assert "clear text" in mx.once_more(FAILED)
    assert mx.once_more(FAILED) == ""
    clock.now += WEAKER_FOR
    assert "clear text" in mx.once_more(FAILED)


def test_never_where_clear_text_is_forbidden() -> None:
    mx = host(Clock(), replace(ANYHOW, clear_allowed=False))
    assert mx.once_more(FAILED) == ""
    assert not mx.terms()[0].tls_optional


def test_a_connection_to_a_forbidden_network_is_objected_to_right_before_it_is_made() -> None:
    mx = host(Clock(), ANYHOW)
    assert "loopback" in mx.objection("127.0.0.1", 25)
    assert mx.objection("8.8.8.8", 25) == ""


def test_the_memory_is_bounded() -> None:
    lately = Lately(Clock())
    for n in range(10_050):
        lately.remember(f"mx{n}", Level.VERIFY, TlsVerdict.EXPIRED)
    assert lately.failed("mx0", Level.VERIFY) is None
    assert lately.failed("mx10049", Level.VERIFY) is TlsVerdict.EXPIRED
    assert lately.failed("mx10049", Level.OPPORTUNISTIC) is None
    assert len(lately._failed) == 10_000


def test_what_is_verified_on_trial_goes_on_without_and_is_still_counted() -> None:
    mx = host(Clock(), TRIAL)

    def level() -> str:
        how, tls = mx.terms()
        assert how.starttls is (tls is not None)
        return tls.name if tls else "clear"

    assert level() == "VERIFY"
    _, tls = mx.terms()
    assert tls is not None
    assert tls.heard is not None
    tls.heard(TlsVerdict.EXPIRED, "", "")
    assert "trial" in mx.once_more(Answer(Stage.TLS, None, Trouble.CERTIFICATE, "expired"))
    assert level() == "OPPORTUNISTIC"
    assert mx._now().flaw is TlsVerdict.EXPIRED
    assert "clear text" in mx.once_more(FAILED)
    assert level() == "clear"
    assert mx.once_more(FAILED) == ""


def test_what_has_to_be_verified_stays_so() -> None:
    clock = Clock()
    mx = host(clock, replace(TRIAL, trial=False, clear_allowed=False))
    assert mx.once_more(Answer(Stage.TLS, None, Trouble.CERTIFICATE, "expired")) == ""
    assert not mx.terms()[0].tls_optional


def test_the_session_has_to_offer_requiretls_where_the_mail_demands_it() -> None:
    strict = replace(TRIAL, trial=False, clear_allowed=False, require_tls=True)
    assert host(Clock(), strict).terms()[0].requiretls
    assert not host(Clock(), ANYHOW).terms()[0].requiretls
