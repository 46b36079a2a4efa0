"""A session of somebody who hands mail in: who is it, what may they send, and is it kept.

What all sessions have in common, and how answers that take time are given, is in `conversation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from postwicket.core.entry import SignedIn
from postwicket.core.queue_id import spell
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.identity.refusals import STOPPED
from postwicket.message.received import Hop
from postwicket.policy.amount import too_many_recipients
from postwicket.policy.sender import may_send_as
from postwicket.policy.timing import latest_release, resolve
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import (
    Authenticate,
    Data,
    EndOfContent,
    Hello,
    Mail,
    Rcpt,
)
from postwicket.storage.interfaces import StorageUnavailable

from . import connection_refusals as said
from .accept import Origin, Receipt, unavailable
from .conversation import Conversation
from .counter import Counter
from .draft import Draft
from .listening import Listening
from .sign_in import SignedInAs, address_of

MOST_FAILED_SIGN_INS: Final = 3


class Session(Conversation):
    """See the module's text.  `peer` is the client's address."""

    __slots__ = ("_account", "_allowance", "_failed", "_generation", "_origin")

    def __init__(
        self, listening: Listening, counter: Counter, peer: str, wake: Callable[[], None]
    ) -> None:
        super().__init__(listening, counter, peer, wake)
        self._account: SignedInAs | None = None
        self._allowance = counter.allowance
        self._generation = 0
        self._origin: Origin | None = None
        self._failed = 0

    # --- for the conversation ---------------------------------------------------------------

    def tls_started(self, description: str) -> None:
        """Everything from here on is encrypted (`TLSv1.3 TLS_AES_256_GCM_SHA384`)."""
        self._origin = None
        super().tls_started(description)

    def _unwelcome(self) -> Reply | None:
        bound = self._listening.settings.account
        return STOPPED.reply if bound is not None and not self._act_as(bound) else None

    def _answered(self) -> None:
        if self._failed >= MOST_FAILED_SIGN_INS:
            self._machine.close(said.TOO_MANY_SIGN_INS)

    @property
    def _account_name(self) -> str:
        return self._account.account.address if self._account else ""

    # --- the machine's questions ------------------------------------------------------------

    def _hello(self, hello: Hello) -> Reply:
        self._origin = None
        terms, counter = self._machine.terms, self._counter
        until = latest_release(counter.clock(), terms.hold_at_most)
        if terms.hold_at_most and terms.hold_until != until:
            self._machine.terms = replace(terms, hold_until=until)
        return super()._hello(hello)

    def _authenticate(self, question: Authenticate) -> Reply | None:
        try:
            known = self._counter.sign_in.at_once(question.claim, peer=self._peer)
        except StorageUnavailable as error:
            return self._refused("AUTH", unavailable(error))
        if known is not None:
            return self._welcome(known, question.mechanism)
        self._work(self._sign_in(question))
        return None

    def _mail(self, mail: Mail) -> Reply | None:
        if self._counter.draining:  # said behind a message without waiting for its answer
            self._machine.close(said.SHUTTING_DOWN)
            return None
        if self._account is None:
            return replies.AUTHENTICATION_REQUIRED
        refusal = may_send_as(self._account.account, mail.sender.address)
        if refusal is not None:
            return self._refused("MAIL", refusal)
        counter = self._counter
        timing = resolve(mail.sender.wishes, counter.clock(), counter.bounds)
        if isinstance(timing, Refusal):
            return self._refused("MAIL", timing)
        self._draft = Draft(mail.sender, counter.bodies, counter.door.hasher(), timing)
        return (
            said.priority_lowered(counter.bounds.priority) if timing.lowered else replies.SENDER_OK
        )

    def _rcpt(self, rcpt: Rcpt) -> Reply:
        draft = self._draft
        if draft is None:
            return replies.MAIL_FIRST
        limit = self._allowance.recipients_per_message
        if len(draft.recipients) >= limit and not draft.names(rcpt.recipient):
            return self._refused("RCPT", too_many_recipients(limit))
        draft.address(rcpt.recipient)
        return replies.RECIPIENT_OK

    def _data(self, _: Data) -> Reply:
        draft, origin = self._draft, self._origin or self._new_origin()
        if draft is None or origin is None:
            return replies.MAIL_FIRST
        refusal = self._counter.door.room(origin, len(draft.recipients))
        if refusal is not None:
            return self._refused("DATA", refusal)
        self.content_size, self.content_began = 0, self._counter.loop.time()
        return replies.GO_AHEAD

    def _end(self, _: EndOfContent) -> Reply | None:
        # The origin is made anew when the account changed since DATA.
        draft, origin = self._draft, self._origin or self._new_origin()
        if draft is None or origin is None:
            return replies.MAIL_FIRST
        self._draft = None
        self._work(self._accept(draft, origin))
        return None

    # --- answers that take time -------------------------------------------------------------

    async def _accept(self, draft: Draft, origin: Origin) -> Reply:
        outcome = await self._counter.door.accept(draft, origin)
        if isinstance(outcome, Receipt):
            return Reply(250, (0, 0), f"OK, queued as {spell(outcome.id)}")
        return self._refused("DATA", outcome)

    async def _sign_in(self, question: Authenticate) -> Reply:
        try:
            verdict = await self._counter.sign_in.check(question.claim, peer=self._peer)
        except StorageUnavailable as error:
            verdict = unavailable(error)
        if isinstance(verdict, Refusal):
            self._failed += 1
            # What is no address may be a password in the wrong field: it is not written down.
            named = address_of(question.claim) or ""
            return self._refused("AUTH", verdict, account=named)
        return self._welcome(verdict, question.mechanism)

    def _welcome(self, signed_in: SignedInAs, mechanism: str) -> Reply:
        self._sign_in_as(signed_in)
        self._counter.record(
            SignedIn(
                at=self._counter.clock(),
                account=signed_in.account.address,
                credential=signed_in.label,
                mechanism=mechanism,
                peer=self._peer,
                helo=self._helo,
                listener=self._listening.settings.name,
            )
        )
        return replies.SIGNED_IN

    # --- who --------------------------------------------------------------------------------

    def _act_as(self, address: str) -> bool:
        """Act as the account that this listener is bound to; False if there is none."""
        try:
            member = self._counter.members.find(address)
        except StorageUnavailable:
            return False
        if member is None or member.account.suspended:
            return False
        self._sign_in_as(SignedInAs(member.account, None, "listener"))
        return True

    def _sign_in_as(self, signed_in: SignedInAs) -> None:
        self._account = signed_in
        self._generation = self._counter.members.generation()
        self._origin = None
        self._allowance = allowance = self._counter.allowance.of(signed_in.account)
        self._machine.terms = replace(
            self._listening.terms,
            size=allowance.message_size,
            recipients=allowance.recipients_per_message,
        )

    def _look_again(self) -> None:
        """Ask whether this session is still welcome when something changed in the directory."""
        if self._account is None or self._generation == self._counter.members.generation():
            return
        try:
            account = self._counter.members.still(self._account)
        except StorageUnavailable:
            return  # asked again at the next command
        if account is None:
            self._refused("session", STOPPED)
            self._drop()
            self._machine.close(STOPPED.reply)
        else:
            self._sign_in_as(replace(self._account, account=account))

    def _new_origin(self) -> Origin | None:
        if self._account is None:
            return None
        hello = self._machine.hello
        self._origin = Origin(
            account=self._account.account,
            allowance=self._allowance,
            hop=Hop(
                hostname=self._listening.terms.hostname,
                helo=self._helo,
                peer=self._peer,
                extended=hello is None or hello.extended,
                tls=self._tls,
                authenticated=self._listening.settings.account is None,
            ),
            credential=self._account.label,
            listener=self._listening.settings.name,
        )
        return self._origin

    ANSWERS = {  # noqa: RUF012 (declared where it is read)
        **Conversation.ANSWERS,
        Hello: _hello,
        Authenticate: _authenticate,
        Mail: _mail,
        Rcpt: _rcpt,
        Data: _data,
        EndOfContent: _end,
    }
