"""One table: what was said, and what it means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.reply import Reply, parse_reply
from postwicket.core.state import State
from postwicket.diagnosis.catalogue import catalogue
from postwicket.policy.outcome import Doubt, Patience, judge
from postwicket.policy.reading import Reading
from postwicket.policy.scope import SCOPES, Scope
from postwicket.smtp.client.answer import Answer, Stage, Trouble

SCHEDULE = (60.0, 300.0)


def patience(attempts: int = 0, now: float = 1000.0, jitter: float = 0.0) -> Patience:
    return Patience(
        attempts=attempts, now=now, expires=100_000.0, schedule=SCHEDULE, jitter=jitter
    )


def said(stage: Stage, line: str) -> Answer:
    return Answer(stage, parse_reply([line]))


@pytest.mark.parametrize(
    ("stage", "line", "state", "scope", "cause"),
    [
        (Stage.GREETING, "554 5.7.1 no service", "deferred", "host", "policy"),
        (Stage.GREETING, "421 4.3.2 too many connections", "deferred", "host", "rate"),
        (Stage.EHLO, "550 bad name", "deferred", "host", "protocol"),
        (Stage.STARTTLS, "454 4.7.0 TLS not available", "deferred", "host", "encryption"),
        (Stage.STARTTLS, "500 what", "deferred", "host", "encryption"),
        (Stage.AUTH, "535 5.7.8 no", "deferred", "host", "authentication"),
        (Stage.AUTH, "534 5.7.9 app", "deferred", "host", "authentication"),
        (Stage.AUTH, "454 4.7.0 Too many login attempts", "deferred", "host", "rate"),
        (Stage.AUTH, "454 4.7.0 hm", "deferred", "host", "authentication"),
        (Stage.MAIL, "530 5.7.0 Sign in", "deferred", "host", "authentication"),
        (Stage.MAIL, "530 5.7.0 STARTTLS first", "deferred", "host", "encryption"),
        (Stage.MAIL, "553 no such sender", "failed", "message", "sender"),
        (Stage.MAIL, "552 5.3.4 too big", "failed", "message", "size"),
        (Stage.MAIL, "452 4.3.1 disk full", "deferred", "message", "server"),
        (Stage.RCPT, "550 5.1.1 no such user", "failed", "recipient", "recipient"),
        (Stage.MAIL, "421 4.7.0 go away", "deferred", "host", "policy"),
        (Stage.RCPT, "550 no", "failed", "recipient", "recipient"),
        (Stage.RCPT, "554 5.7.1 Relay access denied", "failed", "recipient", "policy"),
        (Stage.RCPT, "450 4.2.1 receiving mail too quickly", "deferred", "recipient", "rate"),
        (Stage.RCPT, "450 greylisted", "deferred", "recipient", "recipient"),
        (Stage.RCPT, "452 4.2.2 over quota", "deferred", "recipient", "recipient"),
        (Stage.RCPT, "554 5.7.1 see spamhaus.org", "failed", "recipient", "reputation"),
        (Stage.DATA, "550 5.4.5 Daily user sending limit exceeded", "deferred", "host", "rate"),
        (Stage.DATA, "554 no", "failed", "message", "policy"),
        (Stage.FINAL, "250 2.0.0 queued", "delivered", "recipient", None),
        (Stage.FINAL, "552 5.7.0 a security issue", "failed", "message", "policy"),
        (Stage.FINAL, "552 too big", "failed", "message", "size"),
        (Stage.FINAL, "552 5.2.3 too long", "failed", "message", "size"),
        (Stage.FINAL, "550 5.6.0 malformed", "failed", "message", "content"),
        (Stage.FINAL, "554 rejected", "failed", "message", "content"),
        (Stage.FINAL, "421 4.7.28 unusual rate of email", "deferred", "message", "rate"),
        (Stage.FINAL, "451 4.3.0 try later", "deferred", "message", "server"),
    ],
)
def test_what_replies_mean(
    stage: Stage, line: str, state: str, scope: str, cause: str | None
) -> None:
    outcome = judge(said(stage, line), patience())
    found = (outcome.state.value, outcome.scope.value, outcome.cause and outcome.cause.value)
    assert found == (state, scope, cause)
    assert (outcome.due is None) == (state in {"failed", "delivered"})


@pytest.mark.parametrize(
    ("stage", "trouble", "state", "scope", "cause"),
    [
        (Stage.CONNECT, Trouble.NAME, "deferred", "host", "dns"),
        (Stage.CONNECT, Trouble.UNREACHABLE, "deferred", "host", "network"),
        (Stage.TLS, Trouble.CERTIFICATE, "deferred", "host", "encryption"),
        (Stage.STARTTLS, Trouble.NO_STARTTLS, "deferred", "host", "encryption"),
        (Stage.AUTH, Trouble.NO_AUTH, "deferred", "host", "authentication"),
        (Stage.EHLO, Trouble.PROTOCOL, "deferred", "host", "protocol"),
        (Stage.MAIL, Trouble.TIMEOUT, "deferred", "host", "network"),
        (Stage.CONTENT, Trouble.LOST, "deferred", "message", "network"),
        (Stage.FINAL, Trouble.LOST, "uncertain", "message", "network"),
        (Stage.FINAL, Trouble.TIMEOUT, "uncertain", "message", "network"),
        (Stage.FINAL, Trouble.PROTOCOL, "uncertain", "message", "protocol"),
    ],
)
def test_what_trouble_means(
    stage: Stage, trouble: Trouble, state: str, scope: str, cause: str
) -> None:
    outcome = judge(Answer(stage, trouble=trouble), patience())
    assert outcome.cause
    assert (outcome.state.value, outcome.scope.value, outcome.cause.value) == (state, scope, cause)
    assert outcome.due == 1060.0


def test_the_schedule_and_its_jitter() -> None:
    answer = said(Stage.RCPT, "450 later")
    assert [judge(answer, patience(n)).due for n in range(3)] == [1060.0, 1300.0, 1300.0]
    assert judge(answer, patience(jitter=1)).due == 1066.0
    assert judge(answer, patience(jitter=-1)).due == 1054.0


def test_patience_ends() -> None:
    answer = said(Stage.AUTH, "535 5.7.8 no")
    last = judge(answer, patience(now=99_990.0))
    assert (last.state, last.due) == (State.DEFERRED, 100_000.0)
    assert judge(answer, patience(now=100_000.0)).state is State.EXPIRED


def test_every_stage_has_a_scope() -> None:
    assert set(SCOPES) == set(Stage)


def test_our_own_objection_fails_the_message() -> None:
    reply = parse_reply(["550 5.6.0 bare LF"])
    outcome = judge(Answer(Stage.MAIL, reply, ours=True), patience())
    assert (outcome.state, outcome.scope) == (State.FAILED, Scope.MESSAGE)


@given(
    st.sampled_from(Stage),
    st.integers(400, 599),
    st.text(max_size=60),
    st.integers(0, 50),
)
def test_everything_is_judged(stage: Stage, code: int, text: str, attempts: int) -> None:
    outcome = judge(Answer(stage, parse_reply([f"{code} {text}"])), patience(attempts))
    assert outcome.cause is not None
    assert (outcome.due is None) == outcome.state.final
    if SCOPES[stage] is Scope.HOST:
        assert outcome.state is State.DEFERRED


def read(
    stage: Stage, line: str, remote: str = "mx.example[192.0.2.1]:25"
) -> tuple[Answer, Reading | None]:
    answer = said(stage, line)
    return answer, catalogue().read(answer, remote)


@pytest.mark.parametrize(
    ("stage", "line", "state", "cause", "pause"),
    [
        # Temporary by the wire, hopeless by the words: the same message cannot pass later.
        (
            Stage.FINAL,
            "421 4.7.26 This mail has been rate limited because it is unauthenticated. gsmtp",
            "failed",
            "sender",
            None,
        ),
        (
            Stage.FINAL,
            "421 4.7.27 SPF authentication didn't pass. gsmtp",
            "failed",
            "sender",
            None,
        ),
        (
            Stage.FINAL,
            "421 4.7.30 DKIM authentication didn't pass. gsmtp",
            "failed",
            "sender",
            None,
        ),
        (Stage.FINAL, "421 4.7.32 isn't aligned. gsmtp", "failed", "sender", None),
        (Stage.FINAL, "421 4.7.40 doesn't have a DMARC record. gsmtp", "failed", "sender", None),
        (
            Stage.MAIL,
            "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred",
            "failed",
            "reputation",
            None,
        ),
        # A connection without TLS can be mended by the next one; a missing PTR is everybody's.
        (
            Stage.FINAL,
            "421 4.7.29 you're not using a TLS connection. gsmtp",
            "deferred",
            "encryption",
            900,
        ),
        (
            Stage.FINAL,
            "451 4.7.26 Temporary DNS failures prevent authentication. gsmtp",
            "deferred",
            "dns",
            60,
        ),
        (
            Stage.FINAL,
            "421 4.7.0 does not have a PTR record setup. gsmtp",
            "deferred",
            "dns",
            3600,
        ),
        # Permanent by the wire, and means "later".
        (
            Stage.DATA,
            "550 5.4.5 Daily user sending limit exceeded. gsmtp",
            "deferred",
            "rate",
            3600,
        ),
        (
            Stage.RCPT,
            "550 5.2.1 receiving mail at a rate that prevents additional messages. gsmtp",
            "deferred",
            "rate",
            3600,
        ),
        (
            Stage.FINAL,
            "550 5.7.1 This email has been rate limited. gsmtp",
            "deferred",
            "rate",
            3600,
        ),
        (Stage.RCPT, "552 5.2.2 <bob@example.com>: Mailbox full", "deferred", "recipient", 3600),
        (Stage.RCPT, "552 5.2.2 over quota and inactive. gsmtp", "failed", "recipient", None),
        (
            Stage.MAIL,
            "550 5.7.0 Mail relay denied. Invalid credentials for relay. gsmtp",
            "deferred",
            "authentication",
            3600,
        ),
        # Greylisting: the announced time, or five minutes.
        (Stage.RCPT, "450 4.2.0 Greylisted for 300 seconds", "deferred", "policy", 300),
        (
            Stage.RCPT,
            "451 4.7.1 Greylisting in action, please come back in 00:02:00",
            "deferred",
            "policy",
            120,
        ),
        (
            Stage.RCPT,
            "450 4.2.0 Greylisted, see http://postgrey.schweikert.ch",
            "deferred",
            "policy",
            300,
        ),
        (Stage.RCPT, "450 hm, try again in 10 minutes", "deferred", "recipient", 600),
        (
            Stage.RCPT,
            "550 5.1.1 try again in 10 minutes: user unknown",
            "failed",
            "recipient",
            None,
        ),
    ],
)
def test_what_words_mean(
    stage: Stage, line: str, state: str, cause: str, pause: float | None
) -> None:
    answer, reading = read(stage, line)
    outcome = judge(answer, patience(), reading)
    assert outcome.cause is not None
    assert (outcome.state.value, outcome.cause.value) == (state, cause)
    assert outcome.due == (None if pause is None else 1000.0 + pause)


def test_the_announced_time_is_never_undercut_and_believed_three_times() -> None:
    answer, reading = read(Stage.RCPT, "450 4.2.0 Greylisted, try again in 2 minutes")
    dues = [judge(answer, patience(n, jitter=-1), reading).due for n in range(5)]
    assert dues == [1132.0, 1132.0, 1132.0, 1270.0, 1270.0]


def test_a_pause_never_passes_the_end_of_time() -> None:
    answer, reading = read(Stage.RCPT, "450 4.2.0 Greylisted, try again in 4 hours")
    assert judge(answer, patience(now=99_000.0), reading).due == 100_000.0
    assert judge(answer, patience(now=100_000.0), reading).state is State.EXPIRED


def test_who_is_to_slow_down() -> None:
    lines = {
        "421 4.7.28 Gmail has detected an unusual rate of email. gsmtp": True,
        "451 4.7.500 Server busy. prod.outlook.com": True,
        "450 4.2.0 Greylisted": False,
        "450 4.7.1 rate limit": True,
    }
    for line, wanted in lines.items():
        answer, reading = read(Stage.FINAL, line)
        assert judge(answer, patience(), reading).slow_down is wanted, line
    assert judge(said(Stage.FINAL, "421 too many messages"), patience()).slow_down
    assert not judge(said(Stage.RCPT, "450 receiving mail too quickly"), patience()).slow_down


def test_doubt_waits_or_is_held_as_the_route_says() -> None:
    lost = Answer(Stage.FINAL, trouble=Trouble.LOST)
    again = judge(lost, replace(patience(), doubt=Doubt(pause=900.0)))
    assert (again.state, again.due) == (State.UNCERTAIN, 1900.0)
    assert "the same Message-ID" in again.why
    held = judge(lost, replace(patience(), doubt=Doubt(hold=True, pause=900.0)))
    assert (held.state, held.due) == (State.HELD, None)
    assert "may have been delivered" in held.why
    assert "queue release" in held.why
    early = Answer(Stage.CONTENT, trouble=Trouble.LOST)
    assert judge(early, replace(patience(), doubt=Doubt(hold=True))).state is State.DEFERRED


def test_the_way_out_speaks_of_who_was_spoken_with() -> None:
    silent = Answer(Stage.CONNECT, trouble=Trouble.TIMEOUT)
    assert "[[upstream]]" in judge(silent, patience()).why
    assert "port 25" in judge(silent, replace(patience(), direct=True)).why
    answer, reading = read(Stage.RCPT, "550 5.1.1 User unknown")
    assert "Check the spelling" in judge(answer, patience(), reading).why


@pytest.mark.parametrize(
    ("rule", "cause"),
    [
        ("dns.null-mx", "recipient"),
        ("route.loop", "policy"),
        ("tls.mta-sts-mx", "encryption"),
        ("size.next-server", "size"),
    ],
)
def test_our_own_objections_name_their_cause(rule: str, cause: str) -> None:
    answer = Answer(Stage.ROUTE, Reply(556, (1, 10), "no", rule), ours=True)
    outcome = judge(answer, patience())
    assert (outcome.state, outcome.scope) == (State.FAILED, Scope.RECIPIENT)
    assert outcome.cause is not None
    assert outcome.cause.value == cause
