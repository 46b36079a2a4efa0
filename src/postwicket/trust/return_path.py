"""Return paths that only we can make: an address for each message, to which its bounces come back.

A return path (`b-…@returns.example.org`) names the message and the delivery, or the first where
several travel to one domain together, and carries a seal of 80 bits: nobody can make one up, so
an address that reads well was on the envelope of a message of ours.  An unsubscribe address or
link (`u-…`) is made the same way under another seal, so that neither can be used in place of
the other.

The letters are base32 in lower case (RFC 4648, section 6), because there are servers that change
the case of a local part; 34 octets of the 64 that RFC 5321, section 4.5.3.1.1 allows.  Pure: the
time comes in as an argument.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from postwicket.core.address import Address
from postwicket.core.queue_id import QueueId, made_at

GOOD_FOR: Final = 30 * 86_400.0  # seconds: a queue's five days, other people's, and a holiday
SEAL: Final = 10  # octets
LARGEST_NUMBER: Final = 0x7FFF
_SEVERAL: Final = 0x8000
UNSUBSCRIBE_PATH: Final = "/unsubscribe/"
_CLAIM: Final = 10  # octets: queue id (8), number of the delivery (2)
_LETTERS: Final = 32  # 20 octets in base32, without padding
_TOKEN: Final = re.compile(rf"([ub])-([a-z2-7]{{{_LETTERS}}})")
_AHEAD: Final = 86_400.0  # seconds that the clock of another node may be ahead of ours


class Purpose(Enum):
    """What somebody who holds the address can say with it."""

    BOUNCE = "b"
    UNSUBSCRIBE = "u"


@dataclass(frozen=True, slots=True)
class Returned:
    """What an address of ours names: `number` is the delivery's.

    Where several travelled together it is 0, and `first` is one of them: the others went to the
    same domain.  Both are 0 where nothing is known but the message.
    """

    purpose: Purpose
    message: QueueId
    number: int = 0
    first: int = 0


def return_key(master: bytes) -> bytes:
    """Return the key of return paths, derived from the server's own, so that neither tells it.

    Who loses the server's key loses the return paths that are under way, too.
    """
    return hashlib.blake2b(key=master, person=b"return paths", digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """Makes the links and addresses by which bulk mail is left.

    `url` is where the web listener is reached from outside; `by_mail` whether there is an
    inbound listener behind the domain of `paths`.
    """

    paths: ReturnPaths
    url: str
    by_mail: bool

    def link(self, message: QueueId, number: int = 1) -> str:
        """Return the https address for one delivery."""
        token = self.paths.token(message, number, Purpose.UNSUBSCRIBE)
        return f"{self.url.rstrip('/')}{UNSUBSCRIBE_PATH}{token}"

    def address(self, message: QueueId, number: int = 1) -> str:
        """Return the mailbox for one delivery, or ""."""
        return str(self.paths.mint(message, number, Purpose.UNSUBSCRIBE)) if self.by_mail else ""


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Makes and reads them; `key` is the server's own, `domain` where they come back to."""

    key: bytes = field(repr=False)
    domain: str

    def mint(
        self,
        message: QueueId,
        number: int = 0,
        purpose: Purpose = Purpose.BOUNCE,
        *,
        several: bool = False,
    ) -> Address:
        """Return the address of one delivery, or of `several` of which this is the first.

        >>> ReturnPaths(b"k", "returns.example.org").mint(QueueId(5)).domain
        'returns.example.org'
        """
        return Address(self.token(message, number, purpose, several=several), self.domain)

    def token(
        self, message: QueueId, number: int, purpose: Purpose, *, several: bool = False
    ) -> str:
        """Return the local part, which is also what an unsubscribe link ends with."""
        number = number if number <= LARGEST_NUMBER else 0
        code = number | _SEVERAL if several and number else number
        claim = message.to_bytes(8, "big") + code.to_bytes(2, "big")
        sealed = claim + self._seal(claim, purpose)
        return f"{purpose.value}-{base64.b32encode(sealed).decode().lower()}"

    def read(self, address: Address, *, now: float) -> Returned | None:
        """Return what an address names; None when it is not ours, forged, edited or too old."""
        if address.wire_domain != self.domain:
            return None
        return self.read_token(address.local, now=now)

    def read_token(self, text: str, *, now: float) -> Returned | None:
        """Return what a token names, in any mixture of cases; None as `read`."""
        found = _TOKEN.fullmatch(text.lower()) if text.isascii() else None
        if found is None:
            return None
        try:
            sealed = base64.b32decode(found[2].upper())
        except binascii.Error:  # pragma: no cover (the pattern lets nothing else through)
            return None
        purpose, claim, seal = Purpose(found[1]), sealed[:_CLAIM], sealed[_CLAIM:]
        if not hmac.compare_digest(seal, self._seal(claim, purpose)):
            return None
        message = QueueId(int.from_bytes(claim[:8], "big"))
        if not -_AHEAD <= now - made_at(message) <= GOOD_FOR:
            return None
        code = int.from_bytes(claim[8:], "big")
        if code & _SEVERAL:
            return Returned(purpose, message, first=code & LARGEST_NUMBER)
        return Returned(purpose, message, code)

    def _seal(self, claim: bytes, purpose: Purpose) -> bytes:
        """Return the keyed BLAKE2b (RFC 7693) of a claim, its own for each purpose."""
        person = b"return " + purpose.value.encode()
        return hashlib.blake2b(claim, digest_size=SEAL, key=self.key, person=person).digest()
