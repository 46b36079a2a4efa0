"""One SMTP session: the machine's questions, answered with the worker's knowledge.

Nothing here waits.  What takes time (a password check, the commit of a message, a write to
disk) runs as a task, and `wake` tells the connection when there is something to say again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from postwicket.core.entry import Refused, SignedIn
from postwicket.core.queue_id import spell
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.identity.refusals import STOPPED
from postwicket.message.received import Hop
from postwicket.policy.amount import too_many_recipients
from postwicket.policy.sender import may_send_as
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import (
    Authenticate,
    Content,
    ContentRefused,
    Data,
    EndOfContent,
    Event,
    Hello,
    Mail,
    Quit,
    Rcpt,
    Reset,
    StartTls,
)
from postwicket.smtp.server.machine import ServerProtocol
from postwicket.smtp.server.moves import State
from postwicket.storage.interfaces import StorageUnavailable

from . import connection_refusals as said
from .accept import Origin, Receipt, unavailable
from .counter import Counter
from .draft import Draft
from .listening import Listening
from .sign_in import SignedInAs, address_of

MOST_FAILED_SIGN_INS: Final = 3
MOST_RECORDED: Final = 20  # refusals of one session that go into the journal


class Session:
    """See the module's text.  `peer` is the client's address."""

    __slots__ = (
        "_account", "_allowance", "_counter", "_draft", "_failed", "_generation", "_gone", "_helo",
        "_listening", "_machine", "_origin", "_peer", "_recorded", "_task", "_tls", "_wake",
        "content_began", "content_size", "greeted", "said_goodbye", "wants_tls",
    )  # fmt: skip

    def __init__(
        self, listening: Listening, counter: Counter, peer: str, wake: Callable[[], None]
    ) -> None:
        self._listening = listening
        self._counter = counter
        self._peer = peer
        self._wake = wake
        self._machine = ServerProtocol(listening.terms)
        self._account: SignedInAs | None = None
        self._allowance = counter.allowance
        self._generation = 0
        self._origin: Origin | None = None
        self._draft: Draft | None = None
        self._task: asyncio.Task[None] | None = None
        self._tls = ""
        self._helo = ""
        self._failed = 0
        self._gone = False
        self._recorded = 0
        self.content_size = 0
        self.content_began = 0.0
        self.wants_tls = False
        self.greeted = False
        self.said_goodbye = False

    # --- for the connection -----------------------------------------------------------------

    def greet(self, refusal: Reply | None = None) -> None:
        """Open the session, or refuse it."""
        self.greeted = True
        if refusal is None and self._counter.draining:
            refusal = said.SHUTTING_DOWN
        bound = self._listening.settings.account
        if refusal is None and bound is not None and not self._act_as(bound):
            refusal = STOPPED.reply
        self._machine.greet(refusal or _greeting(self._listening.terms.hostname))

    def receive(self, data: bytes) -> None:
        """Take plaintext from the client, as far as no answer is being waited for."""
        self._machine.receive_data(data)
        if self._task is None:
            self._go_on()

    def data_to_send(self) -> bytes:
        """Return the plaintext to write now, once."""
        return self._machine.data_to_send()

    def tls_started(self, description: str) -> None:
        """Everything from here on is encrypted (`TLSv1.3 TLS_AES_256_GCM_SHA384`)."""
        self._tls = description
        self._origin = None
        self.wants_tls = False
        self._machine.tls_started()

    def close(self, reply: Reply) -> None:
        """Hang up from our side."""
        self._machine.close(reply)

    def drain(self) -> None:
        """Hang up if the client has no message under way."""
        if self._task is None and self._machine.between_messages:
            self._machine.close(said.SHUTTING_DOWN)

    def lost(self) -> None:
        """Let go of an unfinished message: the connection is gone."""
        self._gone = True
        if self._task is None:
            self._drop()

    @property
    def finished(self) -> bool:
        """True when nothing more will be read."""
        return self._machine.state is State.CLOSED

    @property
    def behind(self) -> bool:
        """True when more is to be answered once `data_to_send` is written."""
        return self._machine.behind

    @property
    def waiting(self) -> bool:
        """True while an answer is being worked out."""
        return self._task is not None

    @property
    def receiving_content(self) -> bool:
        """True while the client is sending a message."""
        return self._task is None and self._machine.state is State.CONTENT

    @property
    def between_messages(self) -> bool:
        """True when the client has no transaction under way."""
        return self._task is None and self._machine.between_messages

    # --- the machine's questions ------------------------------------------------------------

    def _go_on(self) -> None:
        """Answer what can be answered now; a bug of ours ends this session and no other."""
        try:
            self._converse()
        except Exception as bug:  # noqa: BLE001 (the client hears of it, and so does somebody)
            self._counter.report(bug)
            self._machine.close(said.BROKEN)

    def _converse(self) -> None:
        if self._account is not None and self._generation != self._counter.members.generation():
            self._look_again()
        while (event := self._machine.next_event()) is not None:
            answer = _ANSWERS.get(type(event))
            if answer is not None:
                reply = answer(self, event)
                if reply is not None:
                    self._machine.send(reply)
            elif isinstance(event, Content):
                self._take(event.data)
            elif isinstance(event, ContentRefused):
                self._drop()
                self._record("DATA", event.reply)
            if self._task is not None or self.wants_tls:
                break
        # A client that keeps its session for later would keep us from going home.
        if self._counter.draining and not self.wants_tls:
            self.drain()

    def _hello(self, hello: Hello) -> Reply:
        self._drop()
        self._helo = hello.name
        self._origin = None
        return _at_your_service(self._listening.terms.hostname, self._peer)

    def _start_tls(self, _: StartTls) -> Reply:
        self.wants_tls = True
        return replies.READY_FOR_TLS

    def _authenticate(self, question: Authenticate) -> Reply | None:
        try:
            known = self._counter.sign_in.at_once(question.claim, peer=self._peer)
        except StorageUnavailable as error:
            return self._refused("AUTH", unavailable(error))
        if known is not None:
            return self._welcome(known, question.mechanism)
        self._work(self._sign_in(question))
        return None

    def _reset(self, _: Reset) -> Reply:
        self._drop()
        return replies.FLUSHED

    def _quit(self, _: Quit) -> Reply:
        self.said_goodbye = True
        return replies.GOODBYE

    def _mail(self, mail: Mail) -> Reply | None:
        if self._counter.draining:  # said behind a message without waiting for its answer
            self._machine.close(said.SHUTTING_DOWN)
            return None
        if self._account is None:
            return replies.AUTHENTICATION_REQUIRED
        refusal = may_send_as(self._account.account, mail.sender.address)
        if refusal is not None:
            return self._refused("MAIL", refusal)
        self._draft = Draft(mail.sender, self._counter.bodies)
        return replies.SENDER_OK

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

    def _work(self, coroutine: Coroutine[None, None, Reply | None]) -> None:
        self._task = self._counter.loop.create_task(self._finish(coroutine))

    async def _finish(self, coroutine: Coroutine[None, None, Reply | None]) -> None:
        """Give the answer of `coroutine` to the machine and go on with what came meanwhile."""
        reply = None
        try:
            reply = await coroutine
        except Exception as bug:  # noqa: BLE001 (the client hears of it, and so does somebody)
            self._counter.report(bug)
            self._machine.close(said.BROKEN)
        self._task = None
        if self._gone:
            self._drop()
            return
        if reply is not None and not self._machine.finished:
            self._machine.send(reply)
            if self._failed >= MOST_FAILED_SIGN_INS:
                self._machine.close(said.TOO_MANY_SIGN_INS)
        if not self._machine.finished:
            self._go_on()
        self._wake()

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

    # --- content ----------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self.content_size += len(data)
        if self._draft is not None and self._draft.add(data) and self._draft.spool is not None:
            self._work(self._flush(self._draft))

    async def _flush(self, draft: Draft) -> None:
        """Write what waits in memory; the client is read again when that is done."""
        try:
            if draft.spool is not None:
                await self._counter.loop.run_in_executor(self._counter.disk, draft.spool.flush)
        except StorageUnavailable as error:
            self._refused("DATA", unavailable(error))
            draft.discard()
            self._draft = None
            self._machine.refuse_content(unavailable(error).reply)

    def _drop(self) -> None:
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

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
        """Ask whether this session is still welcome: something changed in the directory."""
        assert self._account is not None  # noqa: S101 (the caller has looked)
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

    # --- telling ----------------------------------------------------------------------------

    def _refused(self, stage: str, refusal: Refusal, *, account: str = "") -> Reply:
        self._record(stage, refusal.reply, refusal, account)
        return refusal.reply

    def _record(
        self, stage: str, reply: Reply, refusal: Refusal | None = None, account: str = ""
    ) -> None:
        self._recorded += 1
        if self._recorded > MOST_RECORDED:
            return
        self._counter.record(
            Refused(
                at=self._counter.clock(),
                stage=stage,
                rule=reply.rule,
                cause=refusal.cause.value if refusal else "content",
                reply=str(reply),
                why=refusal.why if refusal else reply.text,
                account=account or (self._account.account.address if self._account else ""),
                peer=self._peer,
                helo=self._helo,
                listener=self._listening.settings.name,
            )
        )


@lru_cache(maxsize=16)
def _greeting(hostname: str) -> Reply:
    return Reply(220, None, f"{hostname} ESMTP Postwicket")


@lru_cache(maxsize=256)
def _at_your_service(hostname: str, peer: str) -> Reply:
    return Reply(250, None, f"{hostname} at your service, [{peer}]")


# One look-up instead of a chain of comparisons: this is asked five times a message.
_ANSWERS: Final[Mapping[type[Event], Callable[[Session, Any], Reply | None]]] = {
    kind: getattr(Session, f"_{name}")
    for kind, name in (
        (Mail, "mail"),
        (Rcpt, "rcpt"),
        (Data, "data"),
        (EndOfContent, "end"),
        (Hello, "hello"),
        (StartTls, "start_tls"),
        (Authenticate, "authenticate"),
        (Reset, "reset"),
        (Quit, "quit"),
    )
}
