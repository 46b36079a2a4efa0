"""One table: what was said, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.reply import parse_reply
from postwicket.core.state import State
from postwicket.policy.outcome import SCOPES, Patience, Scope, judge
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
)  # fmt: skip
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
