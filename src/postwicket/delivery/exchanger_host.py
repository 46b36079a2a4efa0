"""A mail exchanger as a host that mail goes to: with the TLS that its domain and we ask for.

Where nothing forbids clear text and TLS fails, the exchanger is tried once more without, and for
an hour no TLS is tried with it: half of a broken TLS server's connections would otherwise be
spent on finding out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.core.clock import Clock
from postwicket.net.reach import Reach
from postwicket.net.tls_plan import TlsPlan
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.smtp.client.opening import Opening

from .destination import Exchanger
from .dialling import Target

IN_CLEAR_FOR: Final = 3600.0  # seconds
MOST_REMEMBERED: Final = 10_000


class Security(Protocol):
    """How safe a connection to one exchanger has to be."""

    @property
    def demand(self) -> Hashable:
        """Shipments share a connection only if this is equal."""
        ...

    @property
    def clear_allowed(self) -> bool:
        """Whether mail may go without TLS where TLS does not come about."""
        ...


@dataclass(frozen=True, slots=True)
class Opportunistic:
    """TLS with whoever answers, clear text where there is none."""

    demand: Hashable = "opportunistic"
    clear_allowed: bool = True


class ClearText:
    """The hosts with which TLS failed lately, where it was not needed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def has(self, host: str) -> bool:
        """Say whether TLS is not worth trying."""
        until = self._until.get(host)
        if until is None:
            return False
        if self._clock() < until:
            return True
        del self._until[host]
        return False

    def remember(self, host: str) -> None:
        """Try no TLS for a while; the oldest is forgotten where there are too many."""
        if len(self._until) >= MOST_REMEMBERED:
            del self._until[next(iter(self._until))]
        self._until[host] = self._clock() + IN_CLEAR_FOR


class ExchangerHost:
    """One exchanger of a destination.  Implements `way.MailHost`."""

    def __init__(
        self,
        exchanger: Exchanger,
        security: Security,
        *,
        hostname: str,
        tls: Callable[[Security], TlsPlan | None],
        clear: ClearText,
        reach: Reach,
    ) -> None:
        self.name = exchanger.name
        self.security = security
        self._exchanger = exchanger
        self._hostname = hostname
        self._tls = tls
        self._clear = clear
        self._reach = reach

    async def targets(self) -> Sequence[Target]:
        """Return its addresses, which are known already."""
        return self._exchanger.addresses

    def objection(self, address: str, port: int) -> str:
        """Return why there may be no connection to there: asked right before it is made."""
        return self._reach.objection(address, port)

    def terms(self) -> tuple[Opening, TlsPlan | None]:
        """Return how to open a session now; raise `Unreached` when that cannot be said."""
        optional = self.security.clear_allowed
        plan = None if optional and self._clear.has(self.name) else self._tls(self.security)
        return (
            Opening(hostname=self._hostname, starttls=plan is not None, tls_optional=optional),
            plan,
        )

    def once_more(self, answer: Answer) -> str:
        """Say that it is tried without TLS, if that is what failed and nothing forbids it."""
        if (
            answer.stage is not Stage.TLS
            or not self.security.clear_allowed
            or self._clear.has(self.name)
        ):
            return ""
        self._clear.remember(self.name)
        return f"{self.name}: TLS failed and nothing forbids clear text: once more without"
