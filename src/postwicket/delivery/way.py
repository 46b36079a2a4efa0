"""How a shipment may go: hosts to try in order, each with its own idea of how to be spoken with.

A pool knows nothing but this.  An upstream is a way with one host; a recipient's domain is a way
with its exchangers, best first.  Shipments whose ways have the same key share connections.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.policy.pace import Rule
from postwicket.smtp.client.answer import Answer
from postwicket.smtp.client.opening import Opening

from .dialling import Target, TlsPlan


class MailHost(Protocol):
    """One host that takes mail."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def targets(self) -> Sequence[Target]:
        """Return its addresses, best first; raise `Unreached`."""
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

    `source` is a local IP address, or "" for the system's choice.

    >>> NOWHERE.hosts
    ()
    """

    key: Hashable
    hosts: tuple[MailHost, ...]
    source: str = ""


NOWHERE: Final = Way("", ())  # of what stays here: captured, discarded, not routed yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a pool may not exceed in this process; `idle` is in seconds."""

    rule: Rule
    idle: float
