"""How much one account may send."""

from __future__ import annotations

from postwicket.identity.account import Account, Limits
from postwicket.policy.amount import Allowance, day_used_up, too_many_recipients

GENERAL = Allowance(
    messages_per_day=2000,
    recipients_per_day=10_000,
    recipients_per_message=100,
    message_size=35_882_577,
)


def test_an_account_without_limits_has_the_servers() -> None:
    assert GENERAL.of(Account(id=1, address="a@b.example")) == GENERAL


def test_own_limits_win_even_when_they_are_zero() -> None:
    own = Limits(messages_per_day=0, message_size=50_000_000)
    allowance = GENERAL.of(Account(id=1, address="a@b.example", limits=own))
    assert allowance.messages_per_day == 0
    assert allowance.message_size == 50_000_000
    assert allowance.recipients_per_day == 10_000


def test_the_replies_say_how_many_and_when() -> None:
    assert str(too_many_recipients(100).reply).startswith("452 4.5.3 ")
    refusal = day_used_up("recipients", 10_000, 1_893_499_200.0)
    assert str(refusal.reply).startswith("550 5.4.5 Daily user sending limit exceeded: 10000 ")
    assert "2030-01-01 12:00 UTC" in refusal.reply.text
    assert refusal.rule == "rate.recipients-per-day"
