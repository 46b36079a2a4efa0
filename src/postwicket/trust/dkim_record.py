"""What a DKIM key record in DNS says (RFC 6376, section 3.6.1), next to the key that we have."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .keys import DkimKey

LEAST_BITS: Final = 1024  # RFC 8301, section 3.2: receivers must not believe shorter ones
_SPACE: Final = re.compile(r"\s+")


def tags_of(text: str) -> dict[str, str]:
    """Return the tags of a record; of what stands twice the first.

    >>> tags_of("v=DKIM1; k=rsa; p=MII B")["p"]
    'MIIB'
    """
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), _SPACE.sub("", value))
    return tags


def fault(text: str, key: DkimKey) -> str:
    """Say what is wrong with a published record of a key of ours; "" where it is right."""
    tags = tags_of(text)
    kind = "rsa" if key.algorithm == "rsa-sha256" else "ed25519"
    public = tags.get("p")
    faults = (
        (tags.get("v", "DKIM1") != "DKIM1", "its version is not DKIM1"),
        (public is None, "it has no p= (a public key)"),
        (public == "", "p= is empty, which revokes the key"),
        (tags.get("k", "rsa") != kind, f"its type is {tags.get('k', 'rsa')[:20]}, not {kind}"),
        ("sha256" not in tags.get("h", "sha256").split(":"), "h= does not allow sha256"),
        (not {"*", "email"} & set(tags.get("s", "*").split(":")), "s= does not allow mail"),
        ("y" in tags.get("t", "").split(":"), "t=y: receivers treat its mail as unsigned"),
    )
    words = next((words for wrong, words in faults if wrong), "")
    if words or public is None:
        return words
    return "" if public == key.public else _difference(public, kind)


def _difference(public: str, kind: str) -> str:
    try:
        octets = base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        return "p= is not base64; it may have been cut off or quoted wrongly"
    if kind == "rsa":
        try:
            found = load_der_public_key(octets)
        except (ValueError, UnsupportedAlgorithm):
            return "p= is no RSA key; it may have been cut off at 255 characters"
        if not isinstance(found, RSAPublicKey):
            return "p= is no RSA key"
        if found.key_size < LEAST_BITS:
            return f"the key has {found.key_size} bits, which nobody believes"
    elif len(octets) != 32:
        return "p= is no Ed25519 key"
    return "it is another key than ours"
