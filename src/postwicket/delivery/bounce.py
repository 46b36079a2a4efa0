"""Notices to senders (RFC 3464): which follow from what became of a message, ready to be stored.

There is never a notice about a notice: the empty return path is told nothing.  A body comes back
only with a failure, only when the sender asked for it (RET=FULL), and only when it is small; never
when the mail demanded REQUIRETLS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from postwicket.core.clock import Clock
from postwicket.core.entry import Accepted, Notified
from postwicket.core.queue_id import QueueIds, spell
from postwicket.message.header import Header
from postwicket.message.notice import build_notice
from postwicket.message.report import Action, Original, Result, who_is_told
from postwicket.storage.interfaces import Content
from postwicket.storage.values import Message, NewMessage, SmallBody
from postwicket.trust.signer import Signer

from .shipment import UNREADABLE_ERRORS

LARGEST_QUOTE: Final = 65_536  # octets of a body that comes back
LISTENER: Final = "notice"  # what the journal names as the way in


class Bounces:
    """Writes the notices of one process; `boundary` returns something random each time."""

    def __init__(
        self,
        *,
        hostname: str,
        expire: float,
        ids: QueueIds,
        clock: Clock,
        boundary: Callable[[], str],
        signer: Signer | None = None,
    ) -> None:
        self._hostname = hostname
        self._expire = expire
        self._ids = ids
        self._clock = clock
        self._boundary = boundary
        self._signer = signer

    def notices(
        self, message: Message, content: Callable[[], Content], results: Sequence[Result]
    ) -> tuple[tuple[NewMessage, Notified], ...]:
        """Return the notices about one message, each with the entry that tells of it.

        What failed, what is late and what was handed on come in notices of their own.  Content
        that cannot be read is left out: the sender hears of the failure all the same.
        """
        told = who_is_told(message.envelope.sender.address, results)
        if not told:
            return ()
        made = []
        for action in Action:
            some = [result for result in told if result.action is action]
            if some:
                full = action is Action.FAILED and message.envelope.sender.ret == "FULL"
                # A notice may go a less secure way than the mail demanded (RFC 8689, section 5).
                full = full and not message.demands.require_tls
                original = _original(message, content, full=full)
                made.append(self._notice(message, original, some, action))
        return tuple(made)

    def _notice(
        self, message: Message, original: Original, results: Sequence[Result], action: Action
    ) -> tuple[NewMessage, Notified]:
        now = self._clock()
        queue_id = self._ids.next(now)
        name = spell(queue_id)
        message_id = f"{name.lower()}@{self._hostname}"
        notice = build_notice(
            original,
            results,
            hostname=self._hostname,
            now=now,
            message_id=message_id,
            boundary=self._boundary(),
        )
        expires = now + self._expire
        header = notice.header
        if self._signer is not None:
            header = self._signer.sign_now(header, notice.body, lives_until=expires)
        size = len(header) + len(notice.body)
        subject = Header.parse(notice.header).first("subject")
        new = NewMessage(
            message=Message(
                id=queue_id,
                account="",
                envelope=notice.envelope,
                size=size,
                received=now,
                expires=expires,
                message_id=message_id,
                subject=subject.text[:300] if subject else "",
            ),
            header=header,
            body=SmallBody(notice.body),
            entry=Accepted(
                at=now,
                message=queue_id,
                account="",
                sender="",
                recipients=len(notice.envelope.recipients),
                size=size,
                listener=LISTENER,
            ),
        )
        told = Notified(
            at=now, message=message.id, notice=name, action=action.value, recipients=len(results)
        )
        return new, told


def _original(message: Message, content: Callable[[], Content], *, full: bool) -> Original:
    header, body = b"", None
    try:
        bytes_of = content()
        header = bytes_of.header
        if full and bytes_of.size - len(header) <= LARGEST_QUOTE:
            body = b"".join(bytes_of.pieces())[len(header) :]
    except UNREADABLE_ERRORS:
        pass
    return Original(
        envelope=message.envelope,
        header=header,
        body=body,
        queue_id=spell(message.id),
        received=message.received,
    )
