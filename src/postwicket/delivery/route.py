"""How a delivery travels: the first route that matches wins, and without any it is captured.

Patterns are globs without regard to case; an address is tried as it is spelled and in its
canonical form, so that `*@bücher.example` and `*@xn--bcher-kva.example` mean the same.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from postwicket.config.transport import Route
from postwicket.core.address import Address
from postwicket.core.envelope import Recipient
from postwicket.policy.outcome import SEND_AGAIN, Doubt
from postwicket.storage.values import Message

CAPTURE: Final = "capture"
DISCARD: Final = "discard"
DIRECT: Final = "direct"
INBOUND: Final = "inbound"  # the account of mail to our own people; nobody can sign in as it
_CAPTURED: Final = Route(via=CAPTURE)


def upstream_of(via: str) -> str | None:
    """Return the upstream's name in `upstream:NAME`, or None.

    >>> upstream_of("upstream:gmail"), upstream_of("capture")
    ('gmail', None)
    """
    kind, _, name = via.partition(":")
    return name if kind == "upstream" else None


class Leg(NamedTuple):
    """One way that some recipients of a message go; `domain` is set for direct delivery.

    `stopped` are those who are not to be written to, whatever way they would go.
    """

    via: str
    source: str
    domain: str
    stopped: bool = False
    doubt: Doubt = SEND_AGAIN


class Router:
    """The routes of one configuration, ready to be asked."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._rules = [_Rule(route) for route in routes]

    def route(self, message: Message, recipient: Recipient) -> Route:
        """Return the first route that matches; what came in on port 25 stays here."""
        if message.account == INBOUND:
            return _CAPTURED
        for rule in self._rules:
            if rule.matches(message, recipient):
                return rule.route
        return _CAPTURED

    def via(self, message: Message, recipient: Recipient) -> str:
        """Return `direct`, `upstream:NAME`, `capture` or `discard`."""
        return self.route(message, recipient).via


class _Rule:
    """One route; a condition that is not set holds for everything."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._recipients = _compiled(route.recipients)
        self._senders = _compiled(route.senders)
        self._accounts = _compiled(route.accounts)
        self._lanes = _compiled(route.lanes)
        self._always = not any((route.recipients, route.senders, route.accounts, route.lanes))

    def matches(self, message: Message, recipient: Recipient) -> bool:
        if self._always:
            return True
        return (
            _any(self._recipients, *_spellings(recipient.address))
            and _any(self._senders, *_spellings(message.envelope.sender.address))
            and _any(self._accounts, message.account.lower())
            and _any(self._lanes, message.lane)
        )


def _compiled(globs: Sequence[str]) -> re.Pattern[str] | None:
    if not globs:
        return None
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs))


def _any(pattern: re.Pattern[str] | None, *texts: str) -> bool:
    return pattern is None or any(pattern.match(text) for text in texts)


def _spellings(address: Address | None) -> tuple[str, ...]:
    return (str(address).lower(), address.canonical) if address else ("",)
