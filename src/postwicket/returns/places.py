"""Which addresses exist on port 25, and what each of them is for.

There are four kinds: return paths and unsubscribe addresses, both sealed and for a message that
is known; `postmaster@` and `abuse@` (RFC 5321, section 4.5.1; RFC 2142, section 4); and
`dmarc@` and `tlsrpt@`, which our DNS records name for reports.  Everything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from postwicket.core.address import Address
from postwicket.core.queue_id import QueueId
from postwicket.core.refusal import Refusal
from postwicket.storage.values import Message
from postwicket.trust.return_path import Purpose, Returned, ReturnPaths

from . import refusals

PEOPLE: Final = frozenset({"postmaster", "abuse"})
REPORTS: Final = frozenset({"dmarc", "tlsrpt"})
_SEALED: Final = re.compile(r"[ub]-[a-z2-7]{32}", re.IGNORECASE)


class Kind(Enum):
    """What an address is for."""

    BOUNCE = "bounce"
    UNSUBSCRIBE = "unsubscribe"
    PEOPLE = "people"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True)
class Place:
    """An address that exists; `returned` and `message` are there for the sealed kinds."""

    kind: Kind
    address: Address
    returned: Returned | None = None
    message: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """All of them.

    `paths` is None without `[returns] domain`; `domains` are those whose ownership was proved;
    `find` looks a message up and may raise `StorageUnavailable`.
    """

    hostname: str
    paths: ReturnPaths | None
    domains: Callable[[], Collection[str]]
    find: Callable[[QueueId], Message | None]

    def place(self, address: Address, *, sender: Address | None, now: float) -> Place | Refusal:
        """Return what is at this address for mail of this sender, or why nothing is."""
        domain = address.wire_domain
        returns = self.paths.domain if self.paths else None
        if domain == returns and _SEALED.fullmatch(address.local):
            return self._sealed(address, sender=sender, now=now)
        if domain not in {self.hostname, returns} and domain not in self.domains():
            return refusals.RELAY
        name = address.local.lower()
        if name in PEOPLE:
            return Place(Kind.PEOPLE, address)
        if name in REPORTS:
            return Place(Kind.REPORTS, address)
        return refusals.NO_MAILBOX

    def _sealed(self, address: Address, *, sender: Address | None, now: float) -> Place | Refusal:
        assert self.paths is not None  # noqa: S101 (the caller has looked)
        returned = self.paths.read(address, now=now)
        if returned is None:
            return refusals.FORGED
        if returned.purpose is Purpose.UNSUBSCRIBE and sender is None:
            return refusals.NOBODY
        message = self.find(returned.message)
        if message is None:
            return refusals.UNKNOWN_MESSAGE
        kind = Kind.UNSUBSCRIBE if returned.purpose is Purpose.UNSUBSCRIBE else Kind.BOUNCE
        return Place(kind, address, returned, message)
