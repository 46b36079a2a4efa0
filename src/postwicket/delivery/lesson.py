"""What an answer teaches about the place that gave it: that it is ill, or wants less from us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postwicket.core.cause import Cause
from postwicket.diagnosis.catalogue import catalogue
from postwicket.policy.cause import cause_of
from postwicket.policy.outcome import scope_of
from postwicket.policy.scope import Scope
from postwicket.smtp.client.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What to learn.

    `illness` is the answer that concerns everybody behind the host, None where it takes mail;
    `objects` says that the place wants less, `to_messages` that it counts messages, `pause` how
    long an ill one is to be left alone (seconds).
    """

    illness: Answer | None = None
    objects: bool = False
    to_messages: bool = False
    pause: float = 0.0


def lesson_of(answers: Sequence[Answer], remote: str = "") -> Lesson:
    """Return what the first refusal among the answers teaches.

    What concerns one recipient (a full mailbox, one who gets too much mail) is no objection.
    """
    no = next((answer for answer in answers if not answer.accepted), None)
    if no is None:
        return Lesson()
    reading = catalogue().read(no, remote)
    cause = cause_of(no, reading)
    scope = scope_of(no, cause, reading)
    return Lesson(
        illness=no if scope is Scope.HOST else None,
        objects=_objects(no, cause, scope) or (reading is not None and reading.slow_down),
        to_messages=cause is Cause.RATE,
        pause=reading.pause if reading is not None else 0.0,
    )


def _objects(answer: Answer, cause: Cause, scope: Scope) -> bool:
    reply = answer.reply
    if reply is None or answer.ours or reply.positive:
        return False
    if scope is Scope.HOST:
        return reply.temporary
    return scope is Scope.MESSAGE and cause in {Cause.RATE, Cause.REPUTATION}
