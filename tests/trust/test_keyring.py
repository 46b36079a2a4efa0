"""Which key signs, and when a change counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postwicket.trust.keyring import KeyRing
from postwicket.trust.keys import DkimKey, Domain
from postwicket.trust.vault import Vault

from .dkim_keys import DAY, ED25519, RSA, VAULT, pair


class Kept:
    """A store of domains and keys that a test changes."""

    def __init__(self, *keys: DkimKey, verified: float | None = DAY) -> None:
        self.keys = list(keys)
        self.names = {key.domain: verified for key in keys}
        self.number = 0
        self.reads = 0

    def generation(self) -> int:
        """As `keyring.Keys`."""
        return self.number

    def domains(self) -> list[Domain]:
        """As `keyring.Keys`."""
        self.reads += 1
        return [
            Domain(name=name, token="t", created=DAY, verified=verified)
            for name, verified in self.names.items()
        ]

    def dkim_keys(self) -> list[DkimKey]:
        """As `keyring.Keys`."""
        return self.keys


def ring(kept: Kept, *, now: float = DAY + 1, said: list[str] | None = None) -> KeyRing:
    return KeyRing(kept, VAULT, lambda: now, (said if said is not None else []).append)


def selectors(ring: KeyRing, domain: str) -> list[str]:
    return [f"{key.selector} {key.domain}" for key in ring.keys_for(domain)]


def test_both_keys_sign_for_the_domain_and_what_is_below_it() -> None:
    found = ring(Kept(ED25519.kept, RSA.kept))
    both = ["pw20261124r example.org", "pw20261124e example.org"]
    assert selectors(found, "example.org") == both
    assert selectors(found, "news.mail.EXAMPLE.org") == both
    for stranger in ("notexample.org", "org", "example.org.example.com", ""):
        assert selectors(found, stranger) == []


def test_the_nearest_domain_that_has_a_key_signs() -> None:
    below = replace(RSA.kept, id=9, active_from=DAY + 100)
    near = pair("ed25519-sha256", id=3, domain="news.example.org").kept
    kept = Kept(RSA.kept, near)
    assert selectors(ring(kept), "a.news.example.org") == ["pw20261124e news.example.org"]
    kept.keys[1] = replace(near, active_from=None)
    assert selectors(ring(kept), "a.news.example.org") == ["pw20261124r example.org"]
    kept.keys = [below]
    assert selectors(ring(kept), "example.org") == []


def test_nothing_signs_for_a_domain_that_is_not_verified() -> None:
    found = ring(Kept(RSA.kept, verified=None))
    assert selectors(found, "example.org") == []
    assert not found
    assert found.domains() == frozenset()


def test_a_change_counts_at_once_and_nothing_is_read_without_one() -> None:
    kept = Kept(RSA.kept)
    found = ring(kept)
    assert [len(found.keys_for("example.org")) for _ in range(3)] == [1, 1, 1]
    assert kept.reads == 1
    kept.keys.append(ED25519.kept)
    kept.number += 1
    assert len(found.keys_for("example.org")) == 2
    del kept.names["example.org"]
    kept.number += 1
    assert found.keys_for("example.org") == ()


def test_after_a_rotation_the_new_key_signs_alone() -> None:
    new = replace(pair("rsa-sha256", id=5).kept, active_from=DAY + 50)
    old = replace(RSA.kept, active_until=DAY + 60)
    kept = Kept(old, new)
    signing = [
        [key.sign(b"d" * 32) for key in ring(kept, now=DAY + at).keys_for("example.org")]
        for at in (10, 55, 70)
    ]
    assert [len(some) for some in signing] == [1, 1, 1]
    assert signing[0] != signing[1] == signing[2]


def test_a_key_that_does_not_open_is_reported_once_and_the_other_signs() -> None:
    said: list[str] = []
    strange = replace(RSA.kept, private_sealed=Vault(b"o" * 32).seal(b"x", "y"))
    found = ring(Kept(strange, ED25519.kept), said=said)
    for _ in range(3):
        assert selectors(found, "example.org") == ["pw20261124e example.org"]
    assert len(said) == 1
    assert "pw20261124r._domainkey.example.org is not used" in said[0]


def test_what_cannot_be_read_again_stays_in_use_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    kept = Kept(RSA.kept)
    found = ring(kept, said=said)
    assert len(found.keys_for("example.org")) == 1
    kept.number += 1

    def broken() -> list[DkimKey]:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(kept, "dkim_keys", broken)
        assert [len(found.keys_for("example.org")) for _ in range(3)] == [1, 1, 1]
    assert said == ["DKIM keys cannot be read, those known stay in use: the disk is gone"]
    kept.keys.append(ED25519.kept)
    assert len(found.keys_for("example.org")) == 2


def test_our_own_signatures_are_known_by_their_names() -> None:
    found = ring(Kept(RSA.kept))
    assert found.ours("Example.ORG", "pw20261124r")
    assert not found.ours("example.org", "pw20261124e")
    assert not found.ours("example.com", "pw20261124r")
