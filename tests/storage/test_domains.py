"""The contract of domains and their keys, for every keeper."""

from __future__ import annotations

import pytest

from postwicket.storage.interfaces import Conflict, Store
from postwicket.trust.keys import DkimKey

from .conftest import Kept

NOW = 1_800_000_000.0


def add_key(store: Store, selector: str = "pw20261124r", domain: str = "example.org") -> DkimKey:
    return store.add_dkim_key(
        domain,
        selector=selector,
        algorithm="rsa-sha256",
        private_sealed=b"\0sealed\xff",
        public="MIIB",
        now=NOW,
    )


def test_a_domain_is_added_verified_and_removed(kept: Kept) -> None:
    store = kept.store
    before = store.generation()
    made = store.add_domain("example.org", token="t", now=NOW)
    assert made.verified is None
    assert store.domain("example.org") == made
    assert store.domain("example.com") is None
    with pytest.raises(Conflict, match=r"example\.org already"):
        store.add_domain("example.org", token="u", now=NOW)
    assert store.verify_domain("example.org", now=NOW + 1).verified == NOW + 1
    assert store.verify_domain("example.org", now=NOW + 9).verified == NOW + 1
    store.add_domain("a.example", token="t", now=NOW)
    assert [domain.name for domain in store.domains()] == ["a.example", "example.org"]
    assert store.generation() != before
    store.remove_domain("example.org")
    for gone in (store.verify_domain, lambda name, now: store.remove_domain(name)):  # noqa: ARG005
        with pytest.raises(Conflict, match=r"no domain example\.org"):
            gone("example.org", now=NOW)


def test_keys_belong_to_a_domain(kept: Kept) -> None:
    store = kept.store
    with pytest.raises(Conflict, match=r"no domain example\.org"):
        add_key(store)
    store.add_domain("example.org", token="t", now=NOW)
    store.add_domain("a.example", token="t", now=NOW)
    key = add_key(store)
    with pytest.raises(Conflict, match="pw20261124r already"):
        add_key(store)
    other = add_key(store, domain="a.example")
    assert store.dkim_keys() == [key, other]
    assert store.dkim_keys("example.org") == [key]
    assert (key.private_sealed, key.active_from, key.state(NOW)) == (
        b"\0sealed\xff",
        None,
        "prepared",
    )
    store.remove_domain("example.org")
    assert store.dkim_keys() == [other]


def test_a_key_is_activated_retired_and_removed(kept: Kept) -> None:
    store = kept.store
    store.add_domain("example.org", token="t", now=NOW)
    key = add_key(store)
    seen = [store.generation()]
    assert store.activate_dkim_key(key.id, active_from=NOW + 5).state(NOW + 5) == "active"
    seen.append(store.generation())
    retired = store.retire_dkim_key(key.id, active_until=NOW + 10, remove_after=NOW + 20)
    assert (retired.active_until, retired.remove_after) == (NOW + 10, NOW + 20)
    seen.append(store.generation())
    assert store.dkim_keys() == [retired]
    store.remove_dkim_key(key.id)
    seen.append(store.generation())
    assert len(set(seen)) == 4
    assert store.dkim_keys() == []
    with pytest.raises(Conflict, match="no DKIM key"):
        store.activate_dkim_key(key.id, active_from=NOW)
    with pytest.raises(Conflict, match="no DKIM key"):
        store.retire_dkim_key(key.id, active_until=NOW, remove_after=NOW)
    with pytest.raises(Conflict, match="no DKIM key"):
        store.remove_dkim_key(key.id)
    assert add_key(store).id != key.id
