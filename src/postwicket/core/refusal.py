"""Our no: a reply for the peer, a reason for the operator, and the way out for the sender."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .cause import Cause
from .reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule's objection.

    `reply` is what the client hears, and names the rule; `why` is what the operator reads and
    never leaves the machine; `fix` is what the sender can do about it.
    """

    reply: Reply
    cause: Cause
    why: str
    fix: str

    @property
    def rule(self) -> str:
        """The stable name for logs, metrics and the handbook."""
        return self.reply.rule


def first_refusal(verdicts: Iterable[Refusal | None]) -> Refusal | None:
    """Return the first objection, evaluating no rule after it."""
    return next((verdict for verdict in verdicts if verdict is not None), None)
