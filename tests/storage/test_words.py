"""Keys lead with the time, and a word has one hash whenever and however it is spelled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.storage.words import HASH_BITS, hash_of, keys_of, words_of

from .making import BOB, EVE, NOW, message


@given(st.text(), st.integers(0, 10**9))
def test_any_word_has_a_key_in_the_time_of_its_message(word: str, later: int) -> None:
    made = message(BOB, EVE, at=NOW + later, message_id=word)
    keys = keys_of(made)
    assert {key >> HASH_BITS for key in keys} == {made.id >> HASH_BITS}
    assert all(0 <= key < 1 << 63 for key in keys)
    hashes = {hash_of(each) for each in words_of(made)}
    assert {key & ((1 << HASH_BITS) - 1) for key in keys} == hashes
