"""What an answer means for the mail: done, again later, never, or nobody knows.

The scope matters as much as the code: a 450 to RCPT concerns one person, the same 450 to the
greeting concerns everybody behind that host.  What the catalogue knows of the words counts for
more than the code: a 421 that cannot pass later fails, a 550 that means "later" waits.  And what
goes wrong before the first MAIL FROM is between us and the host: somebody must mend it, so no
sender's mail fails because of it before its time is over, whatever the code says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.state import State
from postwicket.smtp.client.answer import Answer, Stage, Trouble

from .announced import announced_pause
from .cause import cause_of
from .reading import Permanence, Reading
from .retry import JITTER, pause_after
from .scope import SCOPES, Scope

# Replies that mean our account at the upstream, wherever they come.
_ABOUT_US: Final = frozenset({530, 534, 535, 538})
# Seconds: Postgrey and its like let nobody in before five minutes are over.
GREY_PAUSE: Final = 300.0
BELIEVED: Final = 3  # attempts: then a peer that always says "in a minute" gets our own schedule

_UPSTREAM_FIXES: Final[Mapping[Cause, str]] = {
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
_DIRECT_FIXES: Final[Mapping[Cause, str]] = {
    Cause.AUTHENTICATION: "the exchanger asks for a sign-in, which is not for servers: "
    "ask the postmaster of the domain",
    Cause.ENCRYPTION: "there is no TLS that this destination's policy allows: the attempt says "
    "which policy; its administrator has to mend the certificate or the policy",
    Cause.DNS: "the exchanger's name has no address; the mail waits until DNS says one",
    Cause.NETWORK: "no exchanger of the domain answers; if none of any domain does, this "
    "server's network keeps port 25 shut: ask its provider, or send through an upstream",
    Cause.RATE: "the receiver takes no more for now; the mail waits",
    Cause.POLICY: "the receiver refuses this server: look up its address in block lists, its "
    "PTR record and its EHLO name",
    Cause.REPUTATION: "the receiver refuses this server's address: look it up in block lists",
    Cause.PROTOCOL: "the exchanger does not speak SMTP as we do; the transcript says what it said",
    Cause.SERVER: "the receiver has trouble of its own; the mail waits",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one attempt for one recipient.

    `due` is the next attempt, None in a final state and in `held`; `cause` is None for what was
    delivered; `why` is for the operator; `reading` is what the catalogue knows of the reply.
    """

    state: State
    scope: Scope
    due: float | None = None
    cause: Cause | None = None
    why: str = ""
    reading: Reading | None = None

    @property
    def slow_down(self) -> bool:
        """True when the place wants less mail from us, whatever became of this one."""
        if self.reading is not None:
            return self.reading.slow_down
        return self.cause in {Cause.RATE, Cause.REPUTATION} and self.scope is not Scope.RECIPIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What to do when the whole message was sent and its answer never came.

    `hold` leaves it to a person; else it is sent again after `pause` seconds, by the schedule
    where that is None.
    """

    hold: bool = False
    pause: float | None = None


SEND_AGAIN: Final = Doubt()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a delivery goes on: `attempts` ended before this one, times as elsewhere.

    `jitter` is from -1 to 1, drawn by the caller; `direct` says that we spoke with the
    receiver itself, not with an upstream.
    """

    attempts: int
    now: float
    expires: float
    schedule: Sequence[float]
    jitter: float = 0.0
    doubt: Doubt = SEND_AGAIN
    direct: bool = False


def judge(answer: Answer, patience: Patience, reading: Reading | None = None) -> Outcome:
    """Turn an answer into what happens next; no clock, no I/O."""
    if answer.accepted:
        return Outcome(state=State.DELIVERED, scope=Scope.RECIPIENT)
    cause = cause_of(answer, reading)
    scope = scope_of(answer, cause, reading)
    why = _why(answer, patience, cause, scope, reading)
    state, due = State.DEFERRED, None
    if _is_final(answer, scope, reading):
        state = State.FAILED
    elif patience.now >= patience.expires:
        state = State.EXPIRED
    elif _is_uncertain(answer):
        state = State.HELD if patience.doubt.hold else State.UNCERTAIN
    if state in {State.DEFERRED, State.UNCERTAIN}:
        pause = _pause(answer, patience, reading)
        # The last attempt is made when time is over, not somewhat before.
        due = min(patience.now + pause, max(patience.expires, patience.now + 1))
    return Outcome(state=state, scope=scope, due=due, cause=cause, why=why, reading=reading)


def _is_final(answer: Answer, scope: Scope, reading: Reading | None) -> bool:
    if scope is Scope.HOST or answer.reply is None:
        return False
    if reading is None or reading.permanence is Permanence.AS_CODED:
        return not answer.reply.temporary
    return reading.permanence is Permanence.NEVER


def _is_uncertain(answer: Answer) -> bool:
    """Say whether the whole message was sent and the answer never came."""
    return answer.stage is Stage.FINAL and answer.trouble is not None


def _pause(answer: Answer, patience: Patience, reading: Reading | None) -> float:
    """Return the seconds to wait: what the peer announced, what the catalogue says, or ours."""
    scheduled = pause_after(patience.attempts + 1, patience.schedule, patience.jitter)
    if _is_uncertain(answer):
        return scheduled if patience.doubt.pause is None else patience.doubt.pause
    if answer.reply is None or answer.ours:
        return scheduled
    # Never before the time that was named, and not all at the same moment.
    later = 1 + JITTER * abs(patience.jitter)
    announced = announced_pause(answer.reply.text)
    if announced is not None:
        first = patience.attempts < BELIEVED
        return announced * later if first else max(announced * later, scheduled)
    if reading is None:
        return scheduled
    return max(scheduled, (GREY_PAUSE if reading.grey else reading.pause) * later)


def _why(
    answer: Answer, patience: Patience, cause: Cause, scope: Scope, reading: Reading | None
) -> str:
    """Say what happened, what it means, and what would help."""
    why = str(answer)
    if _is_uncertain(answer):
        then = (
            "it is held: `queue release` sends it again, `queue cancel` gives it up"
            if patience.doubt.hold
            else "it will be sent again, with the same Message-ID"
        )
        return f"{why}; the message may have been delivered: {then}"
    if reading is not None:
        return f"{why}; {reading.meaning} {reading.fix}"
    fixes = _DIRECT_FIXES if patience.direct else _UPSTREAM_FIXES
    return f"{why}; {fixes[cause]}" if scope is Scope.HOST and cause in fixes else why


def scope_of(answer: Answer, cause: Cause, reading: Reading | None = None) -> Scope:
    """Say whom the answer concerns."""
    reply = answer.reply
    if reply is None or answer.ours:
        # At MAIL the session was new (a used one leaves the mail untried): the host is at fault.
        lost = answer.stage is Stage.MAIL and answer.trouble is not None
        return Scope.HOST if lost else SCOPES[answer.stage]
    if SCOPES[answer.stage] is Scope.HOST:
        return Scope.HOST
    if reading is not None and reading.scope is not None:
        return reading.scope
    if reading is not None and reading.permanence is Permanence.NEVER:
        return SCOPES[answer.stage]
    if reply.code in _ABOUT_US or (reply.code == 421 and answer.stage is Stage.MAIL):
        return Scope.HOST
    if cause is Cause.RATE and reply.status == (4, 5):
        # Our account's day is used up (Gmail: 550 5.4.5): it waits, it does not fail.
        return Scope.HOST
    return SCOPES[answer.stage]


def is_untried(answer: Answer) -> bool:
    """Say whether the answer means that this mail had no attempt."""
    return answer.trouble is Trouble.UNTRIED
