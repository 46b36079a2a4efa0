"""FUTURERELEASE, DELIVERBY and MT-PRIORITY on the wire."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.envelope import Wishes
from postwicket.core.reply import Reply
from postwicket.smtp.server.events import Mail
from postwicket.smtp.server.grammar import parse_mail
from postwicket.smtp.server.terms import Terms, keywords, offered
from postwicket.smtp.server.wishes import PARAMETERS

from .dialogue import play

HOLDING = Terms(
    hostname="mail.example.org",
    size=10_000,
    tls_first=False,
    sign_in_first=False,
    hold_at_most=2_592_000,
    hold_until="2030-01-31T00:00:00Z",
    deadlines=True,
)

ALL = frozenset(PARAMETERS)


def wished(parameters: str) -> Wishes:
    found = parse_mail(f"FROM:<ann@example.org> {parameters}", size_limit=10_000, offered=ALL)
    assert isinstance(found, Mail)
    return found.sender.wishes


def test_the_extensions_are_offered_with_their_limits() -> None:
    play(
        """
        S: 220 *
        C: EHLO laptop
        S: 250-*
        S: 250-SIZE 10000
        S: 250-8BITMIME
        S: 250-STARTTLS
        S: 250-AUTH PLAIN LOGIN
        S: 250-ENHANCEDSTATUSCODES
        S: 250-PIPELINING
        S: 250-CHUNKING
        S: 250-BINARYMIME
        S: 250-SMTPUTF8
        S: 250-DSN
        S: 250-FUTURERELEASE 2592000 2030-01-31T00:00:00Z
        S: 250-DELIVERBY
        S: 250-MT-PRIORITY
        S: 250 LIMITS RCPTMAX=100
        """,
        HOLDING,
    )


def test_wishes_are_asked_of_the_application_and_faults_are_not() -> None:
    events = play(
        """
        S: 220 *
        C: HELO laptop
        S: 250 *
        C: MAIL FROM:<ann@example.org> HOLDFOR=3600 BY=7200;RT MT-PRIORITY=3
        S: 250 *
        C: RSET
        S: 250 *
        C: MAIL FROM:<ann@example.org> HOLDFOR=60 HOLDUNTIL=2030-01-01T00:00:00Z
        S: 501 5.5.4 HOLDFOR and HOLDUNTIL exclude each other *
        C: MAIL FROM:<ann@example.org> HOLDFOR=0
        S: 501 5.5.4 *
        C: MAIL FROM:<ann@example.org> HOLDUNTIL=tomorrow
        S: 501 5.5.4 *
        C: MAIL FROM:<ann@example.org> BY=0;R
        S: 501 5.5.4 *
        C: MAIL FROM:<ann@example.org> BY=60
        S: 501 5.5.4 *
        C: MAIL FROM:<ann@example.org> MT-PRIORITY=10
        S: 501 5.5.4 *
        C: MAIL FROM:<ann@example.org> HOLDFOR=60
        A: 501 5.5.4 Mail is not held here
        S: 501 5.5.4 Mail is not held here
        C: MAIL FROM:<ann@example.org> BY=-60;N
        S: 250 *
        """,
        HOLDING,
    )
    asked = [event.sender.wishes for event in events if isinstance(event, Mail)]
    assert asked == [
        Wishes(hold_for=3600, by=7200, by_mode="R", by_trace=True, priority=3),
        Wishes(hold_for=60),
        Wishes(by=-60, by_mode="N"),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2030-01-01T00:00:00Z", 1893456000.0),
        ("2030-01-01t00:00:00z", 1893456000.0),
        ("2030-01-01T02:00:00+02:00", 1893456000.0),
        ("2029-12-31T23:59:59.5-00:00", 1893455999.5),
    ],
)
def test_times_are_read_in_every_spelling_of_rfc_3339(text: str, seconds: float) -> None:
    assert wished(f"HOLDUNTIL={text}").hold_until == seconds


@given(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=40))
def test_no_value_breaks_the_grammar(name: str, value: str) -> None:
    parse_mail(f"FROM:<ann@example.org> {name}={value}", size_limit=10_000, offered=ALL)


@given(st.text(alphabet="0123456789-+:TtZz.", max_size=32))
def test_no_time_breaks_the_grammar(value: str) -> None:
    parse_mail(f"FROM:<ann@example.org> HOLDUNTIL={value}", size_limit=10_000, offered=ALL)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_what_is_not_offered_is_not_known(name: str) -> None:
    found = parse_mail(f"FROM:<ann@example.org> {name}=1", size_limit=10_000)
    assert isinstance(found, Reply)
    assert found.code == 555


def test_requiretls_needs_tls() -> None:
    terms = replace(HOLDING, requiretls=True)
    assert "REQUIRETLS" in keywords(terms, secure=True).split("\n")
    assert "REQUIRETLS" not in keywords(terms, secure=False).split("\n")
    assert "REQUIRETLS" in offered(terms, secure=True) - offered(terms, secure=False)
