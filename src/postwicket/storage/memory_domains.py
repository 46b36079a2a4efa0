"""Domains and their DKIM keys in memory: the reference of `Domains`."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from postwicket.trust.keys import Algorithm, DkimKey, Domain

from .interfaces import Conflict


class MemoryDomains:
    """`Domains` in memory."""

    _generation: int  # the directory's

    def __init__(self) -> None:
        self._key_ids = count(1)
        self._domains: dict[str, Domain] = {}
        self._keys: dict[int, DkimKey] = {}

    def domains(self) -> list[Domain]:
        """Return all domains, by name."""
        return [domain for _, domain in sorted(self._domains.items())]

    def domain(self, name: str) -> Domain | None:
        """Return the domain, or None."""
        return self._domains.get(name)

    def add_domain(self, name: str, *, token: str, now: float) -> Domain:
        """Make a domain that is not verified; raise `Conflict` if it exists."""
        if name in self._domains:
            raise Conflict(f"there is a domain {name} already")
        self._domains[name] = Domain(name=name, token=token, created=now)
        self._generation += 1
        return self._domains[name]

    def verify_domain(self, name: str, *, now: float) -> Domain:
        """Say that its owner is ours; raise `Conflict` if there is no such domain."""
        domain = self._known(name)
        if domain.verified is None:
            self._domains[name] = replace(domain, verified=now)
        self._generation += 1
        return self._domains[name]

    def remove_domain(self, name: str) -> None:
        """Delete the domain and its keys; raise `Conflict` if there is no such domain."""
        self._known(name)
        del self._domains[name]
        self._keys = {key.id: key for key in self._keys.values() if key.domain != name}
        self._generation += 1

    def dkim_keys(self, domain: str | None = None) -> list[DkimKey]:
        """Return the keys of a domain, or of all, oldest first."""
        return [key for key in self._keys.values() if domain in {None, key.domain}]

    def add_dkim_key(
        self,
        domain: str,
        *,
        selector: str,
        algorithm: Algorithm,
        private_sealed: bytes,
        public: str,
        now: float,
        active_from: float | None = None,
    ) -> DkimKey:
        """Keep a key; raise `Conflict` without the domain, or if the selector is taken."""
        self._known(domain)
        if any(key.selector == selector for key in self.dkim_keys(domain)):
            raise Conflict(f"{domain} has a key {selector} already")
        key = DkimKey(
            id=next(self._key_ids),
            domain=domain,
            selector=selector,
            algorithm=algorithm,
            private_sealed=private_sealed,
            public=public,
            created=now,
            active_from=active_from,
        )
        return self._keep_key(key)

    def activate_dkim_key(self, id: int, *, active_from: float) -> DkimKey:
        """Let a key sign from then on; raise `Conflict` if there is no such key."""
        key = self._key(id)
        return self._keep_key(
            replace(key, active_from=active_from, active_until=None, remove_after=None)
        )

    def retire_dkim_key(self, id: int, *, active_until: float, remove_after: float) -> DkimKey:
        """End the signing of a key; raise `Conflict` if there is no such key."""
        key = self._key(id)
        return self._keep_key(replace(key, active_until=active_until, remove_after=remove_after))

    def remove_dkim_key(self, id: int) -> None:
        """Delete a key; raise `Conflict` if there is no such key."""
        self._key(id)
        del self._keys[id]
        self._generation += 1

    def _known(self, name: str) -> Domain:
        if name not in self._domains:
            raise Conflict(f"there is no domain {name}")
        return self._domains[name]

    def _key(self, id: int) -> DkimKey:
        if id not in self._keys:
            raise Conflict(f"there is no DKIM key {id}")
        return self._keys[id]

    def _keep_key(self, key: DkimKey) -> DkimKey:
        self._keys[key.id] = key
        self._generation += 1
        return key
