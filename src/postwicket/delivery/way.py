"""How a shipment may go: hosts to try in order, each with its own idea of how to be spoken with.

A pool knows nothing but this.  An upstream is a way with one host; a recipient's domain is a way
with its exchangers, best first.  Shipments whose ways have the same key share connections.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.pace import Rule
from postwicket.smtp.client.answer import Answer
from postwicket.smtp.client.opening import Opening

from .dialling import Target

# Returns the given hosts in an order that is left to chance.
Shuffle: TypeAlias = "Callable[[Sequence[MailHost]], Sequence[MailHost]]"


class MailHost(Protocol):
    """One host that takes mail."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def targets(self) -> Sequence[Target]:
        """Return its addresses, best first; raise `Unreached`."""
        ...

    def objection(self, address: str, port: int) -> str:
        """Return why there may be no connection to there, in words, or "" when there may."""
        ...

    def terms(self) -> tuple[Opening, TlsPlan | None]:
        """Return how to open a session now; raise `Unreached` when that cannot be said."""
        ...

    def once_more(self, answer: Answer) -> str:
        """Learn that no session came about; say in words how it may be tried again at once.

        The empty text means that it may not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """Hosts to try in order (RFC 5321, section 5.1), and where connections come from.

    `groups` are hosts of equal preference, the preferred first; within a group chance decides,
    anew for each connection.  `source` is a local IP address, one of each family with a
    space between, or "" for the system's choice; `notes` are for the transcript: hosts that are
    left out, and why.

    >>> NOWHERE.groups
    ()
    """

    key: Hashable
    groups: tuple[tuple[MailHost, ...], ...]
    source: str = ""
    notes: tuple[str, ...] = ()

    def in_order(self, shuffle: Shuffle) -> list[MailHost]:
        """Return the hosts in the order to try."""
        return [
            host
            for group in self.groups
            for host in (group if len(group) == 1 else shuffle(group))
        ]


NOWHERE: Final = Way("", ())  # of what stays here: captured, discarded, not routed yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a pool may not exceed in this process; `idle` is in seconds."""

    rule: Rule
    idle: float
