"""Account passwords: chosen by people, so they are kept as Argon2id (RFC 9106) hashes."""

from __future__ import annotations

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from postwicket.core.secret import Secret

from .app_password import letters_of

SHORTEST: Final = 8
LONGEST: Final = 1024  # octets; a longer one only costs time
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)


def hash_password(password: Secret) -> str:
    """Return the hash of a new password; raise ValueError saying why it is not acceptable."""
    text = password.reveal()
    if len(text) < SHORTEST:
        raise ValueError(f"the password is shorter than {SHORTEST} characters")
    if len(text.encode()) > LONGEST:
        raise ValueError(f"the password is longer than {LONGEST} octets")
    if letters_of(text):
        # Sign-in tells the two kinds apart by their shape, so that a guessed app password
        # never costs an Argon2 computation, for any user name.
        raise ValueError("16 letters look like an app password; add a digit or a word")
    return _HASHER.hash(text)


def verify_password(stored: str, password: Secret) -> bool:
    """Say whether the password fits; without a stored hash it takes the same time and does not."""
    try:
        _HASHER.verify(stored or _nobody(), password.reveal())
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


@cache
def _nobody() -> str:
    return _HASHER.hash("the password of nobody")
