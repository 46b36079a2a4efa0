"""What leaves is what two servers read alike."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from postwicket.smtp.client.outgoing import CleanLines, DotStuffer, dot_stuffed, is_clean

TRICKY = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\r", b"\n", b"\0", b".\r\n"])).map(
    b"".join
)
CLEAN = st.lists(st.sampled_from([b"\r\n", b".", b"ab", b"\xff"])).map(b"".join)


def unstuffed(wire: bytes) -> bytes:
    """Read DATA as a strict receiver does."""
    assert wire == b".\r\n" or wire.endswith(b"\r\n.\r\n")
    lines = wire.split(b"\r\n")[:-2]
    assert b"." not in lines
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)


@given(CLEAN)
def test_a_receiver_reads_what_was_sent(data: bytes) -> None:
    whole = unstuffed(dot_stuffed(data))
    assert whole in (data, data + b"\r\n")


@given(CLEAN, st.sets(st.integers(0, 60)))
def test_pieces_are_the_same_as_the_whole(data: bytes, cuts: set[int]) -> None:
    edges = sorted({0, len(data)} | {c for c in cuts if c < len(data)})
    stuffer = DotStuffer()
    out = b"".join(stuffer.piece(data[a:b]) for a, b in pairwise(edges)) + stuffer.end()
    expected = dot_stuffed(data)
    assert out == expected


@given(TRICKY, st.sets(st.integers(0, 60)))
def test_no_cut_hides_a_bare_line_end(data: bytes, cuts: set[int]) -> None:
    edges = sorted({0, len(data)} | {c for c in cuts if c < len(data)})
    check = CleanLines()
    accepted = all(check.accepts(data[a:b]) for a, b in pairwise(edges)) and check.complete
    stripped = data.replace(b"\r\n", b"")
    assert accepted == is_clean(data) == (not set(b"\r\n\0") & set(stripped))
