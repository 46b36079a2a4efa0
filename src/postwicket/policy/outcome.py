"""What an answer means for the mail: done, again later, never, or nobody knows.

The scope matters as much as the code: a 450 to RCPT concerns one person, the same 450 to the
greeting concerns everybody behind that host.  And what goes wrong before the first MAIL FROM is
between us and the upstream: the operator must mend it, so no sender's mail fails because of it
before its time is over, whatever the code says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.state import State
from postwicket.smtp.client.answer import Answer, Stage, Trouble

from .cause import cause_of
from .retry import pause_after


class Scope(Enum):
    """Whom an answer concerns."""

    HOST = "host"
    MESSAGE = "message"
    RECIPIENT = "recipient"


SCOPES: Final[Mapping[Stage, Scope]] = {
    Stage.ROUTE: Scope.RECIPIENT,
    Stage.CONNECT: Scope.HOST,
    Stage.GREETING: Scope.HOST,
    Stage.EHLO: Scope.HOST,
    Stage.STARTTLS: Scope.HOST,
    Stage.TLS: Scope.HOST,
    Stage.AUTH: Scope.HOST,
    Stage.MAIL: Scope.MESSAGE,
    Stage.RCPT: Scope.RECIPIENT,
    Stage.DATA: Scope.MESSAGE,
    Stage.CONTENT: Scope.MESSAGE,
    Stage.FINAL: Scope.MESSAGE,
    Stage.QUIT: Scope.HOST,
}

# Replies that mean our account at the upstream, wherever they come.
_ABOUT_US: Final = frozenset({530, 534, 535, 538})

_FIXES: Final[Mapping[Cause, str]] = {
    Cause.AUTHENTICATION: "the upstream does not accept our sign-in: "
    "check username and password of [[upstream]]",
    Cause.ENCRYPTION: "there is no trusted TLS with the upstream: "
    "check tls, ca and the certificate of [[upstream]]",
    Cause.DNS: "the upstream's name has no address: check host of [[upstream]] and DNS",
    Cause.NETWORK: "the upstream does not answer: check host and port of [[upstream]], "
    "the network, and that it runs",
    Cause.RATE: "the upstream takes no more for now; the mail waits",
    Cause.POLICY: "the upstream refuses us: ask its operator why, with its words",
    Cause.PROTOCOL: "the upstream does not speak SMTP as we do: check host, port and tls of "
    "[[upstream]]",
    Cause.SERVER: "the upstream has trouble of its own; the mail waits",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one attempt for one recipient.

    `due` is the next attempt, None in a final state; `cause` is None for what was delivered;
    `why` is for the operator.
    """

    state: State
    scope: Scope
    due: float | None = None
    cause: Cause | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a delivery goes on: `attempts` ended before this one, times as elsewhere.

    `jitter` is from -1 to 1, drawn by the caller.
    """

    attempts: int
    now: float
    expires: float
    schedule: Sequence[float]
    jitter: float = 0.0


def judge(answer: Answer, patience: Patience) -> Outcome:
    """Turn an answer into what happens next; no clock, no I/O."""
    if answer.accepted:
        return Outcome(state=State.DELIVERED, scope=Scope.RECIPIENT)
    cause = cause_of(answer)
    scope = scope_of(answer, cause)
    why = str(answer)
    if scope is Scope.HOST and cause in _FIXES:
        why = f"{why}; {_FIXES[cause]}"
    if scope is not Scope.HOST and answer.reply is not None and not answer.reply.temporary:
        return Outcome(state=State.FAILED, scope=scope, cause=cause, why=why)
    if patience.now >= patience.expires:
        return Outcome(state=State.EXPIRED, scope=scope, cause=cause, why=why)
    pause = pause_after(patience.attempts + 1, patience.schedule, patience.jitter)
    # The last attempt is made when time is over, not somewhat before.
    due = min(patience.now + pause, max(patience.expires, patience.now + 1))
    if answer.stage is Stage.FINAL and answer.trouble is not None:
        # The whole message was sent and the answer never came: it may have been delivered.
        why = f"{why}; the message may have been delivered: it will be sent again"
        return Outcome(state=State.UNCERTAIN, scope=scope, due=due, cause=cause, why=why)
    return Outcome(state=State.DEFERRED, scope=scope, due=due, cause=cause, why=why)


def scope_of(answer: Answer, cause: Cause) -> Scope:
    """Say whom the answer concerns."""
    reply = answer.reply
    if reply is None or answer.ours:
        # At MAIL the session was new (a used one leaves the mail untried): the host is at fault.
        lost = answer.stage is Stage.MAIL and answer.trouble is not None
        return Scope.HOST if lost else SCOPES[answer.stage]
    if reply.code in _ABOUT_US or (reply.code == 421 and answer.stage is Stage.MAIL):
        return Scope.HOST
    if cause is Cause.RATE and reply.status == (4, 5):
        # Our account's day is used up (Gmail: 550 5.4.5): it waits, it does not fail.
        return Scope.HOST
    return SCOPES[answer.stage]


def is_untried(answer: Answer) -> bool:
    """Say whether the answer means that this mail had no attempt."""
    return answer.trouble is Trouble.UNTRIED
