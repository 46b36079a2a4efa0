"""App passwords: 16 letters in four groups, one for each application of an account.

They are generated, so they carry 75 bits of chance; a keyed hash keeps them as safely as a slow
one would keep a chosen password, and a thousand sign-ins a second stay possible.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

LETTERS: Final = 16
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz"
_SHAPE: Final = re.compile(rf"[a-z]{{{LETTERS}}}")


def generate() -> str:
    """Return a new app password as 16 letters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LETTERS))


def grouped(letters: str) -> str:
    """Return the letters as people read them.

    >>> grouped("abcdefghijklmnop")
    'abcd efgh ijkl mnop'
    """
    return " ".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def letters_of(text: str) -> str | None:
    """Return the 16 letters that `text` spells, spaces and case aside, or None.

    >>> letters_of("ABCD efgh ijkl mnop"), letters_of("hunter2")
    ('abcdefghijklmnop', None)
    """
    letters = text.replace(" ", "").replace("\u00a0", "").lower()
    return letters if _SHAPE.fullmatch(letters) else None


def fingerprint(key: bytes, text: str) -> bytes:
    """Return the keyed hash (BLAKE2b, RFC 7693; 32 octets) by which an app password is known.

    `key` has at most 64 octets.  An HMAC would do as well and take ten times as long, most of it
    in OpenSSL's search for the algorithm.
    """
    letters = letters_of(text)
    return hashlib.blake2b((letters or text).encode(), key=key, digest_size=32).digest()
