"""Two keys of example.org, made once for all tests of a run."""

from __future__ import annotations

from dataclasses import dataclass

from postwicket.trust.keys import (
    Algorithm,
    DkimKey,
    OpenKey,
    make_key,
    open_key,
    owner,
    selector,
)
from postwicket.trust.vault import Vault

VAULT = Vault(b"v" * 32)
DAY = 1_795_550_400.0  # 2026-11-24


@dataclass(frozen=True)
class Pair:
    """A key as it is stored, and the same one open."""

    kept: DkimKey
    opened: OpenKey


def pair(algorithm: Algorithm, *, id: int = 1, domain: str = "example.org") -> Pair:
    """Make a key that is active since `DAY`."""
    private, public = make_key(algorithm)
    name = selector(algorithm, DAY)
    kept = DkimKey(
        id=id,
        domain=domain,
        selector=name,
        algorithm=algorithm,
        private_sealed=VAULT.seal(private, owner(domain, name)),
        public=public,
        created=DAY,
        active_from=DAY,
    )
    return Pair(kept, open_key(kept, VAULT))


RSA = pair("rsa-sha256")
ED25519 = pair("ed25519-sha256", id=2)
