"""App passwords: shape, spelling, hash."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from postwicket.identity.app_password import fingerprint, generate, grouped, letters_of


def test_sixteen_letters_and_never_the_same() -> None:
    made = {generate() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[a-z]{16}", letters) for letters in made)


@given(st.text(max_size=40))
def test_any_text_has_letters_or_none(text: str) -> None:
    letters = letters_of(text)
    assert letters is None or re.fullmatch("[a-z]{16}", letters)


def test_spaces_and_case_do_not_matter_but_the_key_does() -> None:
    letters = generate()
    same = fingerprint(b"key", grouped(letters).upper())
    assert fingerprint(b"key", letters) == same
    assert fingerprint(b"other", letters) != same
    assert len(same) == 32
