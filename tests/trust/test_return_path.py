"""Return paths: what we made is read, whatever was changed on it is not."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.trust.return_path import (
    GOOD_FOR,
    LARGEST_NUMBER,
    Purpose,
    Returned,
    ReturnPaths,
    return_key,
)

NOW = 1_750_000_000.0
OURS = ReturnPaths(b"k" * 32, "returns.example.org")
MESSAGE = QueueIds(3).next(NOW)


@given(
    st.integers(0, 2**41 - 1),
    st.integers(1, LARGEST_NUMBER),
    st.sampled_from(Purpose),
    st.booleans(),
)
def test_what_was_minted_is_read(tick: int, number: int, purpose: Purpose, several: bool) -> None:
    message = QueueId(tick << 22 | 5)
    address = OURS.mint(message, number, purpose, several=several)
    alone, first = (0, number) if several else (number, 0)
    assert OURS.read(address, now=tick / 1000 + 1_704_067_200) == Returned(
        purpose, message, alone, first
    )
    assert len(address.local) == 34


def test_it_is_an_address_like_any_other() -> None:
    address = OURS.mint(MESSAGE, 2)
    assert Address.parse(str(address)) == address
    assert set(address.local) <= set(string.ascii_lowercase + "234567-")


def test_letters_may_change_their_case() -> None:
    address = OURS.mint(MESSAGE, 2)
    shouted = Address.parse(str(address).upper())
    assert OURS.read(shouted, now=NOW) == Returned(Purpose.BOUNCE, MESSAGE, 2)


@given(st.integers(2, 33), st.sampled_from(string.ascii_lowercase + "234567"))
def test_no_letter_can_be_exchanged(place: int, letter: str) -> None:
    local = OURS.mint(MESSAGE, 1).local
    edited = local[:place] + letter + local[place + 1 :]
    if edited != local:
        assert OURS.read_token(edited, now=NOW) is None


def test_a_bounce_path_is_no_unsubscribe_link() -> None:
    local = OURS.mint(MESSAGE, 1).local
    assert OURS.read_token("u" + local[1:], now=NOW) is None


def test_another_key_reads_nothing() -> None:
    other = ReturnPaths(b"x" * 32, OURS.domain)
    assert other.read(OURS.mint(MESSAGE), now=NOW) is None


def test_another_domain_is_not_ours() -> None:
    address = OURS.mint(MESSAGE)
    assert OURS.read(Address(address.local, "example.org"), now=NOW) is None


def test_it_is_good_for_a_month() -> None:
    address = OURS.mint(MESSAGE)
    assert OURS.read(address, now=NOW + GOOD_FOR - 1) is not None
    assert OURS.read(address, now=NOW + GOOD_FOR + 1) is None
    assert OURS.read(address, now=NOW - 2 * 86_400) is None, "made in the future"


def test_a_number_that_does_not_fit_names_the_message_only() -> None:
    address = OURS.mint(MESSAGE, 70_000, several=True)
    assert OURS.read(address, now=NOW) == Returned(Purpose.BOUNCE, MESSAGE, 0)


@given(st.text(max_size=80))
def test_anything_else_is_nothing(text: str) -> None:
    assert OURS.read_token(text, now=NOW) is None
    assert OURS.read_token(f"b-{text}", now=NOW) is None


def test_the_key_does_not_show() -> None:
    assert "kkkk" not in repr(OURS)


def test_the_key_is_one_of_its_own() -> None:
    assert return_key(b"k" * 32) != b"k" * 32
    assert len(return_key(b"k" * 32)) == 32
    assert return_key(b"k" * 32) == return_key(b"k" * 32) != return_key(b"l" * 32)
