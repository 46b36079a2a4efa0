"""Account passwords."""

from __future__ import annotations

import pytest

from postwicket.core.secret import Secret
from postwicket.identity.password import hash_password, verify_password


def test_a_password_fits_its_hash_only() -> None:
    stored = hash_password(Secret("correct horse 1"))
    assert stored.startswith("$argon2id$")
    assert verify_password(stored, Secret("correct horse 1"))
    assert not verify_password(stored, Secret("correct horse 2"))


@pytest.mark.parametrize("stored", ["", "not a hash"])
def test_without_a_hash_nothing_fits(stored: str) -> None:
    assert not verify_password(stored, Secret("the password of nobody"))


@pytest.mark.parametrize(
    ("password", "reason"),
    [("short", "shorter"), ("x" * 2000, "longer"), ("abcd efgh ijkl mnop", "app password")],
)
def test_passwords_that_are_not_acceptable(password: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        hash_password(Secret(password))
