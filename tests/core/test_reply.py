"""Replies on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.reply import LONGEST_REPLY_LINE, Reply, parse_reply


def test_the_class_digit_comes_from_the_code() -> None:
    assert Reply(451, (7, 1), "later").wire == b"451 4.7.1 later\r\n"
    assert Reply(550, (7, 1), "never").wire == b"550 5.7.1 never\r\n"


def test_every_line_but_the_last_has_a_hyphen_and_the_rule_comes_last() -> None:
    assert (
        Reply(550, (7, 1), "one\ntwo", "a.b").wire == b"550-5.7.1 one\r\n550 5.7.1 two [a.b]\r\n"
    )


@pytest.mark.parametrize("text", ["a\r\nb", "\x00", "tab\there", "\x1b[2J"])
def test_text_cannot_smuggle_control_characters(text: str) -> None:
    with pytest.raises(ValueError, match="break the line"):
        Reply(250, None, text)


@pytest.mark.parametrize("code", [0, 199, 600, -1])
def test_codes_that_are_none(code: int) -> None:
    with pytest.raises(ValueError, match="not an SMTP reply code"):
        Reply(code, None, "x")


@given(st.text(max_size=3000).filter(lambda text: text.replace("\n", "").isprintable()))
def test_no_line_is_too_long_whatever_the_text(text: str) -> None:
    wire = Reply(550, (7, 1), text, "some.rule").wire
    lines = wire.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) + 2 <= LONGEST_REPLY_LINE for line in lines)
    assert all(line.startswith(b"550-5.7.1 ") for line in lines[:-1])
    assert lines[-1].startswith(b"550 5.7.1 ")


def test_a_reply_is_read_back() -> None:
    reply = parse_reply(["250-mx.example.net", "250 SIZE 1000"])
    assert (reply.code, reply.status, reply.text) == (250, None, "mx.example.net\nSIZE 1000")
    assert parse_reply(["451 4.7.1 later\x07"]).text == "later?"
    assert parse_reply(["250 5.1.1 odd"]).status is None
