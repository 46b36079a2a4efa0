"""Where the header ends, however the network cut it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.envelope import Recipient, Sender
from postwicket.core.queue_id import QueueId
from postwicket.storage.bodies import BodyStore
from postwicket.storage.values import SmallBody
from postwicket.submission.draft import LONGEST_HEADER, Draft

FOLDER = TemporaryDirectory()
BODIES = BodyStore(Path(FOLDER.name) / "bodies")


def received(*pieces: bytes) -> tuple[bytes, bytes]:
    draft = Draft(Sender(address=None), BODIES)
    for piece in pieces:
        draft.add(piece)
    body = draft.end().finish(QueueId(1))
    assert isinstance(body, SmallBody)
    return draft.header, body.data


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (b"A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore\r\n", b"A: b\r\nC: d\r\n"),
        (b"A: b\r\n", b"A: b\r\n"),
        (b"\r\nbody\r\n", b""),
        (b"\r\n\r\n", b""),
        (b"", b""),
    ],
)
def test_header_and_body_are_the_message(content: bytes, header: bytes) -> None:
    assert received(content) == (header, content[len(header) :])


@given(
    st.lists(st.sampled_from([b"A: b", b"", b"\r", b"text"]), max_size=8).map(b"\r\n".join),
    st.sets(st.integers(0, 60)),
)
def test_the_network_may_cut_anywhere(content: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut <= len(content)), len(content)]
    pieces = [content[start:end] for start, end in pairwise(edges)]
    assert received(*pieces) == received(content)
    assert b"".join(received(content)) == content


def test_a_header_without_end_is_cut_off() -> None:
    draft = Draft(Sender(address=None), BODIES)
    for _ in range(20):
        draft.add(b"x" * 100_000)
    draft.end()
    assert len(draft.header) == LONGEST_HEADER


def test_a_recipient_named_twice_gets_one_copy() -> None:
    draft = Draft(Sender(address=None), BODIES)
    bob = Recipient(Address.parse("bob@example.com"))
    draft.address(bob)
    draft.address(Recipient(Address.parse("BOB@example.com")))
    assert draft.recipients == [bob]
