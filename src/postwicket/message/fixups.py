"""What a submission server may change in a header, and nothing else (RFC 6409, section 8).

Received goes on top, Date and Message-ID are added where they are missing, Bcc is taken out.
Every other byte stays as it was and where it was: a signature made before submission holds.
"""

from __future__ import annotations

from typing import Final

from .dates import message_date
from .header import Header

__all__ = ["complete", "message_date"]

SECRET_FIELDS: Final = frozenset({"bcc", "resent-bcc"})  # RFC 5322, sections 3.6.3 and 3.6.6


def complete(header: Header, *, received: bytes, now: float, message_id: str) -> bytes:
    r"""Return the final header: `received` (a whole field) first, what is missing last.

    `message_id` is without angle brackets and used only when the message has none.

    >>> complete(
    ...     Header.parse(b"Bcc: eve@example.com\r\nDate: now\r\nTo: bob@example.com\r\n"),
    ...     received=b"Received: by here\r\n", now=0, message_id="1@example.org")
    b'Received: by here\r\nDate: now\r\nTo: bob@example.com\r\nMessage-ID: <1@example.org>\r\n'
    """
    kept = header.raw
    present = header.by_key.keys()
    if not SECRET_FIELDS.isdisjoint(present):
        kept = b"".join(field.raw for field in header.fields if field.key not in SECRET_FIELDS)
    pieces = [received, kept]
    if "date" not in present:
        pieces += (b"Date: ", message_date(now), b"\r\n")
    if "message-id" not in present:
        pieces += (b"Message-ID: <", message_id.encode(), b">\r\n")
    return b"".join(pieces)
