"""Which keys sign for a domain: its own, else those of the nearest parent domain that has any.

A domain signs only when it is verified (its owner has published our token).  What is kept is
read again whenever the store's generation changes, so a new key, a retired one and a removed
domain count for the next message of every worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from postwicket.core.clock import Clock

from .keys import ALGORITHMS, DkimKey, Domain, OpenKey, open_key
from .vault import SealBroken, Vault

MOST_OPEN: Final = 2000  # private keys in memory


class Keys(Protocol):
    """Where domains and keys are kept."""

    def generation(self) -> int:
        """Return a number that changes with every change; cheap."""
        ...

    def domains(self) -> Sequence[Domain]:
        """Return all domains."""
        ...

    def dkim_keys(self) -> Sequence[DkimKey]:
        """Return all keys."""
        ...


class KeyRing:
    """The keys of all verified domains; `report` hears once of a key that cannot be opened."""

    def __init__(
        self, kept: Keys, vault: Vault, clock: Clock, report: Callable[[str], None]
    ) -> None:
        self._kept = kept
        self._vault = vault
        self._clock = clock
        self._report = report
        self._generation = self._failed = -1
        self._verified: frozenset[str] = frozenset()
        self._by_domain: dict[str, list[DkimKey]] = {}
        self._open: dict[int, OpenKey | None] = {}

    def __bool__(self) -> bool:
        """Say whether any domain has a key."""
        self._look_again()
        return bool(self._by_domain)

    def domains(self) -> frozenset[str]:
        """Return the names of the verified domains, with or without keys."""
        self._look_again()
        return self._verified

    def keys_for(self, domain: str) -> tuple[OpenKey, ...]:
        """Return the keys that sign mail from this domain (A-labels), RSA first; () if none.

        A parent's signature counts as well, because alignment is relaxed unless the owner has
        said otherwise (RFC 9989).
        """
        self._look_again()
        name = domain.lower()
        while name:
            known = self._by_domain.get(name)
            if known:
                found = self._active(known)
                if found:
                    return found
            name = name.partition(".")[2]
        return ()

    def ours(self, domain: str, selector: str) -> bool:
        """Say whether a signature with these names can only be one of ours."""
        self._look_again()
        return any(key.selector == selector for key in self._by_domain.get(domain.lower(), ()))

    def _active(self, keys: Sequence[DkimKey]) -> tuple[OpenKey, ...]:
        """Return for each algorithm the key that became active last."""
        now = self._clock()
        found = []
        for algorithm in ALGORITHMS:
            some = [key for key in keys if key.algorithm == algorithm and key.active(now)]
            if some:
                newest = max(some, key=lambda key: (key.active_from or 0.0, key.id))
                opened = self._opened(newest)
                if opened is not None:
                    found.append(opened)
        return tuple(found)

    def _opened(self, key: DkimKey) -> OpenKey | None:
        if key.id not in self._open:
            if len(self._open) >= MOST_OPEN:
                self._open.clear()
            try:
                self._open[key.id] = open_key(key, self._vault)
            except (SealBroken, ValueError, TypeError) as error:
                self._open[key.id] = None
                self._report(f"the DKIM key {key.name} is not used: {error}")
        return self._open[key.id]

    def _look_again(self) -> None:
        generation = self._kept.generation()
        if generation == self._generation:
            return
        try:
            domains, keys = self._kept.domains(), self._kept.dkim_keys()
        except Exception as error:  # noqa: BLE001 - any engine's; what is known goes on signing
            if self._failed != generation:
                self._report(f"DKIM keys cannot be read, those known stay in use: {error}")
            self._failed = generation
            return
        verified = frozenset(domain.name for domain in domains if domain.verified is not None)
        by_domain: dict[str, list[DkimKey]] = {}
        for key in keys:
            if key.domain in verified:
                by_domain.setdefault(key.domain, []).append(key)
        # The id of a removed key is never given again, so what is open stays right.
        self._verified, self._by_domain, self._generation = verified, by_domain, generation
