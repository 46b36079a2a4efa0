"""Which delivery something is about: from the return path, the addresses in a report, the rest.

Pure.  What cannot be told for certain is not guessed: it stays in the journal and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from postwicket.core import queue_id
from postwicket.core.address import Address
from postwicket.core.envelope import Recipient
from postwicket.core.queue_id import QueueId
from postwicket.message.comeback import Comeback
from postwicket.message.delivery_status import Fate
from postwicket.message.parts import first
from postwicket.storage.values import Message
from postwicket.trust.return_path import Purpose, Returned, ReturnPaths

_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461, section 4
_TOKEN: Final = re.compile(r"\b[ub]-[a-z2-7]{32}(?![a-z0-9])", re.IGNORECASE)
_MOST_TOKENS: Final = 20


def by_delivery(
    message: Message, returned: Returned, fates: Sequence[Fate]
) -> dict[int, list[Fate]]:
    """Return the fates of each delivery by its number; 0 has those of nobody we know."""
    sorted_out: dict[int, list[Fate]] = {}
    for fate in fates:
        number = number_of(message, returned, (fate.original, fate.final))
        sorted_out.setdefault(number, []).append(fate)
    return sorted_out


def number_of(message: Message, returned: Returned, addresses: Iterable[str] = ()) -> int:
    """Return the number of the delivery that is meant, or 0.

    The return path knows best.  Where several travelled under it, the addresses count, as they
    were given or as the sender first had them (ORCPT), but only of the domain to which these
    went: who else got the message must not speak for them.  With a single recipient there is
    no question, wherever it was forwarded to.
    """
    recipients = message.envelope.recipients
    if 1 <= returned.number <= len(recipients):
        return returned.number
    if len(recipients) == 1:
        return 1
    first = recipient_of(message, returned.first)
    if first is None:
        return 0
    for named in filter(None, map(_canonical, addresses)):
        for number, recipient in enumerate(recipients, 1):
            near = recipient.address.wire_domain == first.address.wire_domain
            if near and named in _names(recipient):
                return number
    return 0


def is_personal(message: Message, returned: Returned | None) -> bool:
    """Say whether a seal proves that word comes from whom one delivery went to, or their server.

    Only then is an address suppressed because of it.  What several recipients have seen, each of
    them could use against the others; and queue id and Message-ID stand in every copy of a
    message, also in public archives.
    """
    if returned is None:
        return False
    return returned.number > 0 or len(message.envelope.recipients) == 1


def recipient_of(message: Message, number: int) -> Recipient | None:
    """Return the recipient of a delivery by its number, or None."""
    recipients = message.envelope.recipients
    return recipients[number - 1] if 1 <= number <= len(recipients) else None


def sealed_reference(comeback: Comeback, paths: ReturnPaths, *, now: float) -> Returned | None:
    """Return which message a report is about that came to an address without a seal, or None.

    A seal of ours is looked for where our messages carry one: in the envelope sender, and in
    the unsubscribe fields of the header that came back.
    """
    report = comeback.feedback
    texts = [report.return_path] if report else []
    texts += [value for name, value in comeback.returned if name in _CARRIERS]
    for text in texts[:_MOST_TOKENS]:
        for token in _TOKEN.findall(text[:2000])[:_MOST_TOKENS]:
            returned = paths.read_token(token, now=now)
            if returned is not None:
                return replace(returned, purpose=Purpose.BOUNCE)
    return None


_CARRIERS: Final = frozenset(
    {"return-path", "list-unsubscribe", "x-envelope-from", "x-original-return-path", "errors-to"}
)


def written_reference(comeback: Comeback, hostname: str) -> tuple[QueueId, str] | None:
    """Return the queue id and the Message-ID of the header that came back, or None.

    Whoever asks compares them: both together are known to those who have the message.
    """
    named = first(comeback.returned, "message-id").strip().strip("<>")
    ours = re.compile(rf"\bby {re.escape(hostname)} with [^;]{{0,200}}? id ([0-9A-Z]{{13}})\b")
    for name, value in comeback.returned:
        found = ours.search(value[:2000]) if name == "received" and named else None
        if found:
            try:
                return queue_id.read(found[1]), named
            except ValueError:
                continue
    return None


def _names(recipient: Recipient) -> set[str]:
    kind, _, original = recipient.orcpt.partition(";")
    spelled = _XTEXT.sub(lambda found: chr(int(found[1], 16)), original) if kind else ""
    return {recipient.address.canonical, _canonical(spelled)} - {""}


def _canonical(text: str) -> str:
    try:
        return Address.parse(text.strip()).canonical
    except ValueError:
        return ""
