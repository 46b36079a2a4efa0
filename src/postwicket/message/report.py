"""What a notice reports (RFC 3464), and who is told of it (RFC 3461).  Values only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from postwicket.core.address import Address
from postwicket.core.envelope import Envelope, Notify, Recipient


class Action(Enum):
    """What became of a delivery (RFC 3464, section 2.3.3), most serious first."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one delivery.

    `status` is an enhanced status ("5.1.1", RFC 3463).  `diagnostic` is the remote server's
    reply with its code ("550 5.1.1 No such person"), "" where no server answered; `why` is our
    own reason in words, or what the reply means.  `remote` is the name of the server that
    answered, or "".  Times are seconds since 1970; `retry_until` counts with DELAYED only.
    `traced` is told although success was not asked for (RFC 2852, by-trace).
    """

    recipient: Recipient
    action: Action
    status: str
    diagnostic: str = ""
    remote: str = ""
    why: str = ""
    last_attempt: float | None = None
    retry_until: float | None = None
    traced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The message that a notice is about.

    `header` is its fields without the empty line; `body` what follows, empty line included, or
    None where it is too large or not at hand.  `queue_id` is spelled out.
    """

    envelope: Envelope
    header: bytes
    body: bytes | None
    queue_id: str
    received: float


_WISH: Final = {Action.FAILED: Notify.FAILURE, Action.DELAYED: Notify.DELAY}
_UNSPOKEN: Final = frozenset({Notify.FAILURE, Notify.DELAY})  # RFC 3461, section 4.1


def who_is_told(sender: Address | None, results: Iterable[Result]) -> tuple[Result, ...]:
    """Return the results that the sender of the message wants to hear of.

    The empty return path is told nothing, so there is never a notice about a notice
    (RFC 5321, section 4.5.5); NEVER wins over everything else that a recipient may carry.
    """
    if sender is None:
        return ()
    return tuple(result for result in results if _wanted(result))


def _wanted(result: Result) -> bool:
    wishes = result.recipient.notify or _UNSPOKEN
    if result.traced:
        return Notify.NEVER not in wishes
    return Notify.NEVER not in wishes and _WISH.get(result.action, Notify.SUCCESS) in wishes
