"""The one door: every message enters here, whatever it came through, or is refused here.

`Door.accept` judges the header, completes it, and stores message, deliveries, charge and journal
entry in one transaction.  Its 250 is a promise: everything is on stable storage.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.core.cause import Cause
from postwicket.core.clock import Clock
from postwicket.core.entry import Accepted, Finding
from postwicket.core.queue_id import QueueId, QueueIds, spell
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.identity.account import Account
from postwicket.message.fixups import complete
from postwicket.message.header import Header, MalformedHeader
from postwicket.message.list_unsubscribe import unsubscribe_fields
from postwicket.message.received import Hop, received_field
from postwicket.policy.amount import Allowance, day_used_up
from postwicket.policy.content import content_refusal
from postwicket.policy.lane import BULK, lane_of
from postwicket.policy.timing import with_header
from postwicket.storage.bodies import SmallContent
from postwicket.storage.interfaces import Content, Queue, StorageUnavailable
from postwicket.storage.values import (
    Charge,
    Claimed,
    Delivery,
    Message,
    NewMessage,
    OverLimit,
    SmallBody,
    StoredBody,
)
from postwicket.trust.dkim import BodyHasher
from postwicket.trust.return_path import UnsubscribeLinks
from postwicket.trust.signer import Signer

from .draft import Draft

LEASE: Final = 1800.0  # seconds; the dispatcher renews it
ROOMY_FOR: Final = 1.0  # seconds
ROOMY: Final = 1000  # messages or recipients below the limit, and half of it

UNAVAILABLE: Final = Refusal(
    reply=Reply(
        452,
        (3, 1),
        "The mail cannot be stored now; it was not taken: send it again later",
        "server.storage",
    ),
    cause=Cause.SERVER,
    why="the storage is full or broken",
    fix="make room on the disk of the data folder; clients send again by themselves",
)


class Onward(Protocol):
    """Who delivers what was accepted (the dispatcher)."""

    def room(self, message: Message) -> bool:
        """Say whether a fresh message can be taken from memory."""
        ...

    def offer(self, claimed: Claimed, content: Content | None) -> None:
        """Take a fresh message; content is None where it has to be read back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who hands a message in, and how; the same for all messages of a session's state."""

    account: Account
    allowance: Allowance
    hop: Hop
    credential: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Our promise: the message of this id is on disk."""

    id: QueueId


class Door:
    """The door of one worker."""

    def __init__(  # noqa: PLR0913 - wired once, by name
        self,
        queue: Queue,
        onward: Onward,
        ids: QueueIds,
        *,
        slot: int,
        hostname: str,
        expire: float,
        clock: Clock,
        disk: Executor,
        signer: Signer | None = None,
        links: UnsubscribeLinks | None = None,
    ) -> None:
        self._queue = queue
        self._onward = onward
        self._ids = ids
        self._slot = slot
        self._hostname = hostname
        self._expire = expire
        self._clock = clock
        self._disk = disk
        self._signer = signer
        self._links = links
        self._roomy: dict[int, float] = {}

    def hasher(self) -> BodyHasher | None:
        """Return what hashes the body of a new message; None where nothing will be signed."""
        return self._signer.hasher() if self._signer else None

    def room(self, origin: Origin, recipients: int) -> Refusal | None:
        """Say before the message is sent whether the account's day has room for it.

        Far from the limit the database is asked once a second; storing checks every message.
        """
        now = self._clock()
        if now < self._roomy.get(origin.account.id, 0.0):
            return None
        charge = _charge(origin, recipients)
        try:
            if _roomy(charge, self._queue.usage(charge.account, now=now)):
                self._roomy[charge.account] = now + ROOMY_FOR
                return None
            over = self._queue.room_at(charge, now=now)
        except StorageUnavailable as error:
            return unavailable(error)
        return day_used_up(over.what, over.limit, over.room_at) if over else None

    async def accept(self, draft: Draft, origin: Origin) -> Receipt | Refusal:
        """Take responsibility for a message, or say why not; then nothing of it remains."""
        try:
            outcome = await self._accept(draft, origin)
        except StorageUnavailable as error:
            outcome = unavailable(error)
        if isinstance(outcome, Refusal):
            draft.discard()
        return outcome

    async def _accept(self, draft: Draft, origin: Origin) -> Receipt | Refusal:
        spool = draft.end()
        try:
            header = Header.parse(draft.header)
        except MalformedHeader as error:
            return malformed(error)
        refusal = content_refusal(header, account=origin.account, smtputf8=draft.sender.smtputf8)
        if refusal is not None:
            return refusal
        now = self._clock()
        queue_id = self._ids.next(now)
        name = spell(queue_id)
        recipients = draft.recipients
        completed = complete(
            header,
            received=received_field(
                origin.hop,
                queue_id=name,
                now=now,
                recipient=recipients[0].address if len(recipients) == 1 else None,
                smtputf8=draft.sender.smtputf8,
            ),
            now=now,
            message_id=f"{name.lower()}@{self._hostname}",
        )
        body: SmallBody | StoredBody
        if spool.in_memory:
            body = spool.finish(queue_id)
        else:
            body = await asyncio.get_running_loop().run_in_executor(
                self._disk, spool.finish, queue_id
            )
        completed += self._way_out(queue_id, header, draft, origin)
        completed = await self._signed(completed, body, draft, known=header, now=now)
        message = self._message(
            queue_id, draft, header, origin, now=now, size=len(completed) + body.size
        )
        return await self._store(message, completed, body, origin)

    def _way_out(self, id: QueueId, header: Header, draft: Draft, origin: Origin) -> bytes:
        """Return the fields by which bulk mail to one person is left, where that is wanted."""
        alone = len(draft.recipients) == 1
        if self._links is None or not alone or lane_of(header, origin.account.lane) != BULK:
            return b""
        links = self._links
        return unsubscribe_fields(header, link=links.link(id), address=links.address(id))

    async def _signed(
        self,
        header: bytes,
        body: SmallBody | StoredBody,
        draft: Draft,
        *,
        known: Header,
        now: float,
    ) -> bytes:
        """Return the header with our signatures on top, where we sign."""
        content = body.data if isinstance(body, SmallBody) else draft.hasher
        if self._signer is None or content is None:
            return header
        return await self._signer.sign(
            header, content, known=known, lives_until=draft.timing.expires(now, self._expire)
        )

    def _message(
        self, id: QueueId, draft: Draft, header: Header, origin: Origin, *, now: float, size: int
    ) -> Message:
        message_id, subject = header.first("message-id"), header.first("subject")
        return Message(
            id=id,
            account=origin.account.address,
            envelope=draft.envelope,
            size=size,
            received=now,
            expires=draft.timing.expires(now, self._expire),
            message_id=_bare(message_id.value)
            if message_id
            else f"{spell(id).lower()}@{self._hostname}",
            subject=subject.text[:300] if subject else "",
            lane=lane_of(header, origin.account.lane),
            demands=with_header(draft.timing.demands, header),
        )

    async def _store(
        self, message: Message, header: bytes, body: SmallBody | StoredBody, origin: Origin
    ) -> Receipt | Refusal:
        envelope, now = message.envelope, message.received
        held_until = message.demands.not_before
        kept = held_until <= now and self._onward.room(message)
        over = await self._queue.accept(
            NewMessage(
                message=message,
                header=header,
                body=body,
                entry=_entry(message, origin),
                charge=_charge(origin, len(envelope.recipients)),
                claimed_by=self._slot if kept else None,
                lease_until=now + LEASE if kept else 0.0,
                not_before=held_until,
            )
        )
        if isinstance(over, OverLimit):
            return day_used_up(over.what, over.limit, over.room_at)
        if kept:
            deliveries = tuple(
                Delivery(message=message.id, number=number, recipient=recipient, due=now)
                for number, recipient in enumerate(envelope.recipients, 1)
            )
            content = SmallContent(header, body.data) if isinstance(body, SmallBody) else None
            self._onward.offer(Claimed(message, deliveries), content)
        return Receipt(message.id)


def _roomy(charge: Charge, used: tuple[int, int]) -> bool:
    messages, recipients = used
    return messages + max(ROOMY, charge.messages_per_day // 2) < charge.messages_per_day and (
        recipients + max(ROOMY, charge.recipients_per_day // 2) < charge.recipients_per_day
    )


def _charge(origin: Origin, recipients: int) -> Charge:
    return Charge(
        account=origin.account.id,
        messages=1,
        recipients=recipients,
        messages_per_day=origin.allowance.messages_per_day,
        recipients_per_day=origin.allowance.recipients_per_day,
    )


def _entry(message: Message, origin: Origin) -> Accepted:
    hop = origin.hop
    return Accepted(
        at=message.received,
        message=message.id,
        account=message.account,
        sender=message.envelope.return_path,
        recipients=len(message.envelope.recipients),
        size=message.size,
        peer=hop.peer,
        helo=hop.helo,
        listener=origin.listener,
        tls=hop.tls,
        credential=origin.credential,
    )


def _bare(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip().strip("<>")


def unsigned(domain: str, now: float) -> Finding:
    """Say for the journal that mail from a domain leaves without a signature."""
    return Finding(
        at=now,
        rule="signing.no-key",
        cause=Cause.POLICY.value,
        why=f"mail from {domain} was not signed: no verified domain with an active key is for it",
        peer="",
        listener="",
        fix=f"postwicket domain add {domain}, publish what it prints, then "
        f"postwicket domain verify {domain}",
    )


def unavailable(error: StorageUnavailable) -> Refusal:
    """Say that nothing can be kept now; the connection lives, and nothing is half-written."""
    return Refusal(
        reply=UNAVAILABLE.reply, cause=UNAVAILABLE.cause, why=str(error), fix=UNAVAILABLE.fix
    )


def malformed(error: MalformedHeader) -> Refusal:
    """Say what is wrong with a header."""
    words = "".join(char if char.isprintable() else "?" for char in str(error))
    return Refusal(
        reply=Reply(550, (6, 0), f"The header is malformed: {words}", "content.malformed-header"),
        cause=Cause.CONTENT,
        why=words,
        fix="send a header as RFC 5322 prescribes: Name: value, and an empty line after it",
    )
