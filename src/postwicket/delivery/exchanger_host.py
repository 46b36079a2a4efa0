"""A mail exchanger as a host that mail goes to: with the TLS that its domain and we ask for.

Where nothing forbids clear text and TLS fails, the exchanger is tried once more without, and for
an hour no TLS is tried with it: half of a broken TLS server's connections would otherwise be
spent on finding out.  The same with a certificate that is verified only on trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from postwicket.core.clock import Clock
from postwicket.core.tls_verdict import TlsVerdict
from postwicket.net.reach import Reach
from postwicket.net.tls_plan import TlsPlan
from postwicket.policy.transport import Level, Security
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.smtp.client.opening import Opening

from .destination import Exchanger
from .dialling import Target

WEAKER_FOR: Final = 3600.0  # seconds
MOST_REMEMBERED: Final = 10_000

Heard: TypeAlias = Callable[[TlsVerdict, str, str], None]


class Lately:
    """With which hosts TLS of some level failed lately, where something weaker would do."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[tuple[str, Level], tuple[TlsVerdict, float]] = {}

    def failed(self, host: str, level: Level) -> TlsVerdict | None:
        """Return how it failed, or None where it is worth trying."""
        found = self._failed.get((host, level))
        if found is None:
            return None
        if self._clock() < found[1]:
            return found[0]
        del self._failed[host, level]
        return None

    def remember(self, host: str, level: Level, verdict: TlsVerdict) -> None:
        """Do not try it for a while; the oldest is forgotten where there are too many."""
        if len(self._failed) >= MOST_REMEMBERED:
            del self._failed[next(iter(self._failed))]
        self._failed[host, level] = (verdict, self._clock() + WEAKER_FOR)


class ExchangerHost:
    """One exchanger of a destination.  Implements `way.MailHost`."""

    def __init__(
        self,
        exchanger: Exchanger,
        security: Security,
        *,
        hostname: str,
        tls: Callable[[Security], TlsPlan | None],
        lately: Lately,
        reach: Reach,
    ) -> None:
        self.name = exchanger.name
        self.security = security
        self._exchanger = exchanger
        self._hostname = hostname
        self._tls = tls
        self._lately = lately
        self._verdict = TlsVerdict.FAILED  # of the last connection that told one
        self._reach = reach

    async def targets(self) -> Sequence[Target]:
        """Return its addresses, which are known already."""
        return self._exchanger.addresses

    def objection(self, address: str, port: int) -> str:
        """Return why there may be no connection to there: asked right before it is made."""
        return self._reach.objection(address, port)

    def terms(self) -> tuple[Opening, TlsPlan | None]:
        """Return how to open a session now; raise `Unreached` when that cannot be said."""
        security = self._now()
        plan = self._tls(security)
        if plan is not None:
            plan = replace(plan, heard=partial(self._heard, plan.heard))
        return (
            Opening(
                hostname=self._hostname,
                starttls=plan is not None,
                tls_optional=security.clear_allowed,
                requiretls=security.require_tls,
                vouched=security.verified,
            ),
            plan,
        )

    def once_more(self, answer: Answer) -> str:
        """Say that it is tried in a weaker way, if TLS is what failed and nothing forbids it."""
        security = self._now()
        weaker = security.otherwise()
        if answer.stage is not Stage.TLS or weaker is None:
            return ""
        self._lately.remember(self.name, security.level, self._verdict)
        if weaker.level is Level.NONE:
            return f"{self.name}: TLS failed and nothing forbids clear text: once more without"
        return f"{self.name}: not verified, which is only on trial: once more without verifying"

    def _now(self) -> Security:
        """Return what is demanded, after what failed lately."""
        security = self.security
        while (verdict := self._lately.failed(self.name, security.level)) is not None:
            weaker = security.otherwise(verdict)
            if weaker is None:
                break
            security = weaker
        return security

    def _heard(self, told: Heard | None, verdict: TlsVerdict, ours: str, theirs: str) -> None:
        if verdict is not TlsVerdict.SUCCESS:
            self._verdict = verdict
        if told is not None:
            told(verdict, ours, theirs)
