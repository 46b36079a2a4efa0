"""DKIM keys: made, sealed, named, and written as the record that is published for them.

A domain has two: RSA with 2048 bits, which everybody can check (RFC 8301), and Ed25519
(RFC 8463), which is small.  Selectors carry the day: `pw20261124r` and `pw20261124e`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from .vault import Vault

Algorithm: TypeAlias = Literal["rsa-sha256", "ed25519-sha256"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("rsa-sha256", "ed25519-sha256")
RSA_BITS: Final = 2048  # RFC 8301, section 3.2; 4096 do not fit into every DNS answer
_LETTER: Final = {"rsa-sha256": "r", "ed25519-sha256": "e"}
_TYPE: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_PADDING: Final = PKCS1v15()
_PREHASHED: Final = Prehashed(hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain that this server may send for.

    `name` is lower case and A-labels.  `token` is what its owner publishes to prove it, `verified`
    when that was seen, or None.
    """

    name: str
    token: str
    created: float
    verified: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """A DKIM key of a domain; it signs from `active_from` until `active_until`.

    `public` is the `p=` of its record, which stays published until `remove_after`.  None is a
    time that is not set: a key without `active_from` is prepared, and signs nothing before DNS
    has its record.  Times are seconds since 1970.
    """

    id: int
    domain: str
    selector: str
    algorithm: Algorithm
    private_sealed: bytes = field(repr=False)
    public: str
    created: float
    active_from: float | None = None
    active_until: float | None = None
    remove_after: float | None = None

    def active(self, now: float) -> bool:
        """Say whether it signs now."""
        begun = self.active_from is not None and self.active_from <= now
        return begun and (self.active_until is None or now < self.active_until)

    @property
    def name(self) -> str:
        """Where its record is."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record to publish (RFC 6376, section 3.6.1; RFC 8463, section 4)."""
        return f"v=DKIM1; k={_TYPE[self.algorithm]}; p={self.public}"

    def state(self, now: float) -> str:
        """Return what it is now, in a word: prepared, active, retired or past."""
        if self.active_from is None or now < self.active_from:
            return "prepared"
        if self.active(now):
            return "active"
        return "past" if self.remove_after is not None and now >= self.remove_after else "retired"


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key that signs.  Implements `dkim.SigningKey`; never printed."""

    domain: str
    selector: str
    algorithm: Algorithm
    _private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a SHA-256 digest (RFC 8463, section 3 for Ed25519)."""
        if isinstance(self._private, RSAPrivateKey):
            return self._private.sign(digest, _PADDING, _PREHASHED)
        return self._private.sign(digest)


def make_key(algorithm: Algorithm) -> tuple[bytes, str]:
    """Return a new private key (PKCS #8, DER) and the `p=` of its public half."""
    if algorithm == "rsa-sha256":
        rsa = generate_private_key(65_537, RSA_BITS)
        public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _der(rsa), base64.b64encode(public).decode()
    small = Ed25519PrivateKey.generate()
    public = small.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _der(small), base64.b64encode(public).decode()


def _der(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def owner(domain: str, selector: str) -> str:
    """Return what a sealed key belongs to, for the vault."""
    return f"dkim {selector}._domainkey.{domain}"


def open_key(key: DkimKey, vault: Vault) -> OpenKey:
    """Return the key ready to sign; raise `vault.SealBroken`."""
    private = load_der_private_key(
        vault.open(key.private_sealed, owner(key.domain, key.selector)),
        password=None,
        unsafe_skip_rsa_key_validation=True,  # it takes 60 ms, and the seal says it is ours
    )
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise TypeError("not a DKIM key")  # only `make_key` makes them
    return OpenKey(key.domain, key.selector, key.algorithm, private)


def selector(algorithm: Algorithm, now: float, taken: Iterable[str] = ()) -> str:
    """Return a selector for a key made now: its day, and a letter for the algorithm.

    >>> selector("rsa-sha256", 1795550400.0)
    'pw20261124r'
    >>> selector("rsa-sha256", 1795550400.0, ["pw20261124r"])
    'pw20261124b2r'
    """
    day = datetime.fromtimestamp(now, UTC).strftime("pw%Y%m%d")
    used, letter, count = set(taken), _LETTER[algorithm], 1
    name = f"{day}{letter}"
    while name in used:
        count += 1
        name = f"{day}b{count}{letter}"
    return name
