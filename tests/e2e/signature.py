"""A DKIM signature (RFC 6376) in its strictest form, for one purpose: to prove that nothing moved.

With simple canonicalisation of header and body, any octet that is changed, added or lost in the
signed fields or the body breaks the signature.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .wire import name, split

SIGNED: Final = ("from", "to", "subject", "date", "message-id", "x-odd")


def sign(message: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the message with a DKIM-Signature field on top (RFC 8463: Ed25519)."""
    fields, body = split(message)
    unsigned = (
        "DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=example.org; s=test;\r\n"
        f" h={':'.join(SIGNED)};\r\n bh={_body_hash(body)};\r\n b="
    ).encode()
    signature = base64.b64encode(key.sign(_digest(fields, unsigned)))
    return unsigned + signature + b"\r\n" + message


def verify(message: bytes, key: Ed25519PublicKey) -> None:
    """Raise InvalidSignature, or fail, unless header and body are as they were signed."""
    fields, body = split(message)
    (field,) = [field for field in fields if name(field) == "dkim-signature"]
    found = re.search(rb"bh=([^;]+);\s+b=(\S+)", field)
    assert found is not None
    assert found[1].decode() == _body_hash(body)
    unsigned = field[: field.rindex(b"b=") + 2]
    key.verify(base64.b64decode(found[2]), _digest(fields, unsigned))


def _body_hash(body: bytes) -> str:
    # RFC 6376, section 3.4.3: empty lines at the end do not count, one line end always does.
    content = body.removeprefix(b"\r\n")
    while content.endswith(b"\r\n"):
        content = content.removesuffix(b"\r\n")
    return base64.b64encode(hashlib.sha256(content + b"\r\n").digest()).decode()


def _digest(fields: list[bytes], unsigned: bytes) -> bytes:
    """Return the hash over the signed fields and the signature's own field without its value."""
    last = {name(field): field for field in fields}
    return hashlib.sha256(b"".join(last[each] for each in SIGNED) + unsigned).digest()
