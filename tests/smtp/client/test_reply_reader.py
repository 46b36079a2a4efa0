"""Replies from anybody: bounded, and one exception only."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.smtp.client.reply_reader import MOST_LINES, PeerMisbehaved, ReplyReader


def read(*pieces: bytes) -> list[str]:
    """Return the replies in the pieces, and what was wrong after them."""
    reader, found = ReplyReader(), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (reply := reader.next_reply()) is not None:
                found.append(str(reply))
    except PeerMisbehaved as error:
        found.append(f"! {error}")
    return found


def test_several_lines_are_one_reply() -> None:
    assert read(b"250-a\r\n250-b\r\n250 c\r\n221 d\r\n") == ["250 a\nb\nc", "221 d"]


def test_a_code_alone_is_a_reply() -> None:
    assert read(b"250\r\n250 \r\n") == ["250 ", "250 "]


@pytest.mark.parametrize(
    "bad", [b"x\r\n", b"25\r\n", b"2500\r\n", b"250x\r\n", b"600 a\r\n", b"\r\n"]
)
def test_what_is_no_reply(bad: bytes) -> None:
    assert read(b"220 a\r\n", bad)[1].startswith("! not a reply line")


def test_endless_lines_and_replies_end() -> None:
    assert "longer" in read(b"250 " + b"x" * 9000)[0]
    assert "longer" in read(*[b"2"] * 9000)[0] or "not a reply" in read(*[b"2"] * 9000)[0]
    assert "more than" in read(b"250-x\r\n" * (MOST_LINES + 1))[0]


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_any_bytes_cut_anywhere_read_the_same(pieces: list[bytes]) -> None:
    assert read(*pieces) == read(b"".join(pieces))


def test_many_replies_in_one_piece_take_linear_time() -> None:
    start = time.perf_counter()
    assert len(read(b"250 x\r\n" * 20_000)) == 20_000
    assert time.perf_counter() - start < 2


def test_forget() -> None:
    reader = ReplyReader()
    with contextlib.suppress(PeerMisbehaved):
        reader.feed(b"250-half")
        assert reader.pending
        reader.forget()
        assert not reader.pending
