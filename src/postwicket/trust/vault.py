"""What may not be read where it is kept: secrets sealed with AES-256-GCM under the server's key.

Whoever has the database or its backup, but not the key file (`secrets.key` in the data folder),
has nothing.  What a secret belongs to is part of the seal, so that a sealed value that is moved
to another row does not open.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE: Final = 12  # octets (NIST SP 800-38D, section 8.2: random ones are good for 2^32 seals)
_VERSION: Final = b"\x01"


class SealBroken(Exception):
    """A sealed value does not open: another key file, another owner, or it was changed."""


class Vault:
    """Seals and opens; `key` has 32 octets."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, owner: str) -> bytes:
        """Return the secret, readable only with the key and for this owner."""
        nonce = os.urandom(NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """Return the secret; raise `SealBroken`."""
        if sealed[:1] != _VERSION or len(sealed) < 1 + NONCE + 16:
            raise SealBroken("this is nothing that was sealed here")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + NONCE], sealed[1 + NONCE :], owner.encode())
        except InvalidTag:
            raise SealBroken(
                "the seal does not open; is secrets.key the one it was made with?"
            ) from None
