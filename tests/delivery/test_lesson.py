"""What a place teaches us with its answers."""

from __future__ import annotations

import pytest

from postwicket.core.reply import parse_reply
from postwicket.delivery.lesson import Lesson, lesson_of
from postwicket.smtp.client.answer import Answer, Stage, Trouble

TAKEN = Answer(Stage.FINAL, parse_reply(["250 2.0.0 taken"]))


@pytest.mark.parametrize(
    ("stage", "line", "ill", "objects", "to_messages"),
    [
        (Stage.RCPT, "550 5.1.1 no such user", False, False, False),
        (Stage.RCPT, "450 4.2.1 receiving mail too quickly", False, False, True),
        (Stage.RCPT, "450 4.2.0 Greylisted", False, False, False),
        (Stage.FINAL, "421 4.7.28 unusual rate of email. gsmtp", False, True, True),
        (Stage.RCPT, "554 5.7.1 blocked using zen.spamhaus.org", False, True, False),
        (Stage.MAIL, "450 4.7.1 rate limit", False, True, True),
        (Stage.GREETING, "421 4.3.2 too many connections", True, True, True),
        (Stage.GREETING, "554 go away", True, False, False),
        (Stage.DATA, "550 5.4.5 Daily user sending limit exceeded", True, True, True),
    ],
)
def test_what_is_learnt(
    stage: Stage, line: str, ill: bool, objects: bool, to_messages: bool
) -> None:
    answer = Answer(stage, parse_reply([line]))
    lesson = lesson_of([TAKEN, answer])
    assert (lesson.illness is not None) == ill
    assert (lesson.objects, lesson.to_messages) == (objects, to_messages)


def test_trouble_is_an_illness_and_success_teaches_nothing() -> None:
    down = Answer(Stage.CONNECT, trouble=Trouble.TIMEOUT)
    assert lesson_of([down]) == Lesson(illness=down)
    assert lesson_of([TAKEN]) == Lesson()
