"""Sealed secrets open for their owner only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.vault import SealBroken, Vault

VAULT = Vault(b"k" * 32)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_what_was_sealed_opens_for_its_owner(secret: bytes, owner: str) -> None:
    sealed = VAULT.seal(secret, owner)
    assert VAULT.open(sealed, owner) == secret
    assert sealed != VAULT.seal(secret, owner)
    with pytest.raises(SealBroken):
        VAULT.open(sealed, owner + "x")


def test_another_key_opens_nothing_and_says_what_to_look_at() -> None:
    with pytest.raises(SealBroken, match=r"secrets\.key"):
        Vault(b"o" * 32).open(VAULT.seal(b"secret", "a"), "a")


@given(st.binary(max_size=200))
def test_any_octets_are_only_a_broken_seal(octets: bytes) -> None:
    with pytest.raises(SealBroken):
        VAULT.open(octets, "a")


@given(st.integers(0, 44), st.integers(1, 255))
def test_one_changed_octet_breaks_the_seal(place: int, change: int) -> None:
    sealed = bytearray(VAULT.seal(b"secret of an owner", "a"))
    sealed[place] ^= change
    with pytest.raises(SealBroken):
        VAULT.open(bytes(sealed), "a")
