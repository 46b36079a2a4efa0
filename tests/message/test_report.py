"""Who is told: RFC 3461, section 4.1, as a table."""

from __future__ import annotations

import pytest

from postwicket.core.address import Address
from postwicket.core.envelope import Notify, Recipient
from postwicket.message.report import Action, Result, who_is_told

ANN = Address.parse("ann@example.org")
BOB = Address.parse("bob@example.com")

F, D, S, N = Notify.FAILURE, Notify.DELAY, Notify.SUCCESS, Notify.NEVER


def result(action: Action, *notify: Notify) -> Result:
    return Result(recipient=Recipient(BOB, frozenset(notify)), action=action, status="")


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ((), "failed delayed"),
        ((F,), "failed"),
        ((D,), "delayed"),
        ((S,), "delivered relayed expanded"),
        ((F, D, S), "failed delayed delivered relayed expanded"),
        ((N,), ""),
        ((N, F, S), ""),
    ],
)
def test_notify_says_what_is_told(notify: tuple[Notify, ...], told: str) -> None:
    results = [result(action, *notify) for action in Action]
    assert " ".join(found.action.value for found in who_is_told(ANN, results)) == told


def test_there_is_no_notice_about_a_notice() -> None:
    assert who_is_told(None, [result(Action.FAILED, F)]) == ()


def test_each_recipient_has_its_own_wish() -> None:
    results = [result(Action.FAILED, N), result(Action.FAILED, F), result(Action.DELAYED, F)]
    assert who_is_told(ANN, results) == (results[1],)
