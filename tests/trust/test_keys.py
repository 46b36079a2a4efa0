"""Keys are made, sealed, named and published."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postwicket.trust.keys import open_key, selector
from postwicket.trust.vault import SealBroken, Vault

from .dkim_keys import DAY, ED25519, RSA, VAULT


def test_records_are_what_the_standards_say() -> None:
    kind, algorithm, public = RSA.kept.record.split("; ")
    assert (kind, algorithm) == ("v=DKIM1", "k=rsa")
    loaded = load_der_public_key(base64.b64decode(public.removeprefix("p=")))
    assert isinstance(loaded, RSAPublicKey)
    assert loaded.key_size == 2048
    assert ED25519.kept.record.startswith("v=DKIM1; k=ed25519; p=")
    raw = base64.b64decode(ED25519.kept.public)
    verifier = Ed25519PublicKey.from_public_bytes(raw)
    verifier.verify(ED25519.opened.sign(b"d" * 32), b"d" * 32)
    with pytest.raises(InvalidSignature):
        verifier.verify(ED25519.opened.sign(b"d" * 32), b"e" * 32)


def test_a_key_opens_only_in_its_own_place() -> None:
    assert open_key(RSA.kept, VAULT).domain == "example.org"
    with pytest.raises(SealBroken):
        open_key(replace(RSA.kept, domain="example.com"), VAULT)
    with pytest.raises(SealBroken):
        open_key(RSA.kept, Vault(b"x" * 32))


def test_secrets_are_not_printed() -> None:
    assert "private" not in repr(RSA.kept)
    assert "private" not in repr(RSA.opened)


def test_the_life_of_a_key() -> None:
    key = replace(RSA.kept, active_until=DAY + 10, remove_after=DAY + 20)
    states = [key.state(DAY + after) for after in (-1, 0, 9, 10, 19, 20)]
    assert states == ["prepared", "active", "active", "retired", "retired", "past"]
    assert [key.active(DAY + after) for after in (-1, 0, 10)] == [False, True, False]


def test_selectors_carry_the_day_and_never_meet() -> None:
    assert selector("ed25519-sha256", DAY) == "pw20261124e"
    taken = ["pw20261124r", "pw20261124b2r", "pw20261124b3e"]
    assert selector("rsa-sha256", DAY, taken) == "pw20261124b3r"
