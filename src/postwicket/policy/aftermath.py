"""What it means that something came back about a message which had been taken: pure rules.

A notice of another server says what became of a delivery in the end; whether the address is one
that does not exist is decided more carefully, because mail to it stops for weeks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.reply import Reply
from postwicket.core.state import State
from postwicket.message.bounce_text import NO_SUCH_PERSON
from postwicket.message.delivery_status import Fate
from postwicket.message.report import Action
from postwicket.smtp.client.answer import Answer, Stage

from .cause import cause_of
from .reading import Catalogue, Permanence

# Statuses without their class: bad mailbox, bad system, moved, takes no mail at all (RFC 7505,
# and Exchange's "recipient not found"), mailbox disabled (RFC 3463, sections 3.2 and 3.3).
_GONE: Final = frozenset({(1, 1), (1, 2), (1, 6), (1, 10), (2, 1)})
_DIAGNOSTIC: Final = re.compile(r"([245]\d\d)[ :-]+(?:([245])\.(\d{1,3})\.(\d{1,3})\b:?\s*)?(.*)")
_STATUS: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")

_WORDS: Final = {
    Action.FAILED: "bounce",
    Action.DELAYED: "delay",
    Action.DELIVERED: "success",
    Action.RELAYED: "success",
    Action.EXPANDED: "success",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What a notice means for one delivery.

    `what` is the journal's word; `state` is None where nothing changes; `gone` is true when
    nobody lives at the address; `meaning` is the catalogue's sentence for people, or "".
    """

    what: str
    reply: Reply
    state: State | None = None
    cause: Cause | None = None
    gone: bool = False
    meaning: str = ""


def weigh(fates: Sequence[Fate], catalogue: Catalogue | None = None) -> tuple[Aftermath, Fate]:
    """Return what the notices about one delivery mean, and the one that counts.

    Where a list at the other end was expanded there are several: as long as one copy arrived,
    or is still on its way, the delivery has not failed.
    """
    counts = min(fates, key=lambda fate: _HOPE[fate.action])
    reply = reply_of(counts)
    failed = counts.action is Action.FAILED
    cause, reading = None, None
    if failed or counts.action is Action.DELAYED:
        answer = Answer(Stage.RCPT, reply=reply)
        reading = catalogue.read(answer, counts.remote) if catalogue else None
        cause = cause_of(answer, reading)
    later = reading is not None and reading.permanence is Permanence.LATER
    aftermath = Aftermath(
        what=_WORDS[counts.action],
        reply=reply,
        state=State.FAILED if failed else None,
        cause=cause,
        gone=failed and not later and cause is not None and nobody_there(reply, cause),
        meaning=reading.meaning if reading else "",
    )
    return aftermath, counts


_HOPE: Final = {
    Action.DELIVERED: 0,
    Action.RELAYED: 1,
    Action.EXPANDED: 2,
    Action.DELAYED: 3,
    Action.FAILED: 4,
}


def reply_of(fate: Fate) -> Reply:
    """Return the last server's reply, made up from the status where a notice quotes none.

    >>> str(reply_of(Fate(action=Action.FAILED, status="5.1.1", diagnostic="550 no such user")))
    '550 5.1.1 no such user'
    """
    said = _DIAGNOSTIC.match(fate.diagnostic)
    status = _STATUS.fullmatch(fate.status)
    if said is None:
        digit = int(status[1]) if status else _CLASS[fate.action]
        pair = (int(status[2]), int(status[3])) if status else (0, 0)
        text = fate.diagnostic or "The notice does not say why"
        return Reply(digit * 100 + (0 if digit == 2 else 50), pair, _printable(text))
    code = int(said[1])
    own = said[2] == said[1][0]
    if own:
        pair = (int(said[3]), int(said[4]))
    elif status and status[1] == said[1][0]:
        pair = (int(status[2]), int(status[3]))
    else:
        return Reply(code, None, _printable(said[5]))
    return Reply(code, pair, _printable(said[5]))


_CLASS: Final = {
    Action.FAILED: 5,
    Action.DELAYED: 4,
    Action.DELIVERED: 2,
    Action.RELAYED: 2,
    Action.EXPANDED: 2,
}


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def nobody_there(reply: Reply, cause: Cause) -> bool:
    """Say whether this means that the address does not exist, and nothing else.

    A full mailbox, a policy, content or a reputation says nothing of the kind, and neither does
    a number that every server uses for everything.

    >>> nobody_there(Reply(550, (1, 1), "No such person"), Cause.RECIPIENT)
    True
    >>> nobody_there(Reply(550, (7, 1), "No such person for spammers"), Cause.POLICY)
    False
    """
    if reply.code < 500 or cause is not Cause.RECIPIENT:
        return False
    if reply.status in _GONE:
        return True
    unspecified = reply.status is None or reply.status[0] == 0 or reply.status[1] == 0
    return unspecified and NO_SUCH_PERSON.search(reply.text[:1000]) is not None
