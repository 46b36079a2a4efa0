"""The words of a notice: what happened, to whom, who said so, what to do."""

from __future__ import annotations

import pytest

from postwicket.core.address import Address
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.message.notice_text import plain_text, title
from postwicket.message.report import Action, Original, Result

ANN = Address.parse("ann@example.org")
BOB = Recipient(Address.parse("bob@example.com"))
NOON = 1893499200.0
ORIGINAL = Original(
    envelope=Envelope(Sender(address=ANN), (BOB,)),
    header=b"",
    body=None,
    queue_id="0123456789ABC",
    received=NOON,
)


def text(*results: Result, subject: str = "Hello") -> str:
    return plain_text(ORIGINAL, results, hostname="mail.example.org", subject=subject)


def test_a_failure_tells_the_story() -> None:
    refused = Result(
        recipient=BOB,
        action=Action.FAILED,
        status="5.1.1",
        diagnostic="550 5.1.1 No such\nperson",
        remote="mx.example.com",
    )
    assert text(refused) == (
        "This is the mail server mail.example.org. You sent a message with the\n"
        'subject "Hello" on Tue, 01 Jan 2030 12:00:00 +0000.\n'
        "\n"
        "It could not be delivered to the following, and will not be tried again:\n"
        "\n"
        "  bob@example.com\n"
        "    mx.example.com said:\n"
        "      550 5.1.1 No such person\n"
        "    What you can do: check the address for typing mistakes, or ask the\n"
        "    person for the right one.\n"
        "\n"
        "The details for administrators follow, then your message or its header.\n"
        "Ask them about the message 0123456789ABC.\n"
    )


def test_a_delay_says_until_when_and_that_nothing_is_to_be_done() -> None:
    words = text(
        Result(
            recipient=BOB,
            action=Action.DELAYED,
            status="4.4.1",
            why="no server answered",
            retry_until=NOON + 3600,
        )
    )
    assert "Reason: no server answered\n" in words
    assert "We keep trying until Tue, 01 Jan 2030 13:00:00 +0000.\n" in words
    assert "What you can do: nothing now;" in words


@pytest.mark.parametrize("action", [Action.DELIVERED, Action.RELAYED, Action.EXPANDED])
def test_good_news_asks_for_nothing(action: Action) -> None:
    words = text(Result(recipient=BOB, action=action, status="2.0.0"))
    assert "What you can do: nothing; this is only to tell you." in words


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("5.2.2", "mailbox is full"),
        ("5.1.9", "typing mistakes"),
        ("5.7.26", "administrator"),
        ("5.4.7", "after the @"),
        ("5.0.0", "show this to your administrator"),
        ("nonsense", "show this to your administrator"),
    ],
)
def test_advice_follows_the_status(status: str, advice: str) -> None:
    words = text(Result(recipient=BOB, action=Action.FAILED, status=status))
    assert advice in " ".join(words.split())


def test_the_title_is_the_worst_news() -> None:
    late = Result(recipient=BOB, action=Action.DELAYED, status="")
    failed = Result(recipient=BOB, action=Action.FAILED, status="")
    assert title([late, failed], "Hello") == "Not delivered: Hello"
    assert title([late], "") == "Delayed, still trying"


def test_a_stranger_can_write_no_line_of_ours() -> None:
    hostile = "550 x\r\nWhat you can do: pay\r\n--b--\x1b[2J " + "y" * 5000
    lines = text(
        Result(
            recipient=BOB, action=Action.FAILED, status="", diagnostic=hostile, remote="a\nb " * 9
        ),
        subject="s" * 900,
    ).split("\n")
    assert all(line.isprintable() and len(line) <= 480 for line in lines)
    assert not [line for line in lines if line.startswith(("--", "pay", "What"))]
    assert sum(line.count("y") for line in lines) < 2010


def test_what_a_reply_means_stands_under_it() -> None:
    refused = Result(
        recipient=BOB,
        action=Action.FAILED,
        status="5.7.26",
        diagnostic="421 4.7.26 rate limited",
        remote="mx.example.com",
        why="Neither SPF nor DKIM vouches for the message.",
    )
    said = text(refused)
    assert "      421 4.7.26 rate limited\n    Meaning: Neither SPF nor DKIM vouches" in said
    assert "Reason:" not in said
