"""What every SMTP session of this server has in common, whatever it is there for.

A `Conversation` asks its machine for questions and looks up who answers them in `ANSWERS`.
Nothing here waits.  What takes time (a password check, the commit of a message, a write to
disk) runs as a task, and `wake` tells the connection when there is something to say again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final

from postwicket.core.entry import Refused
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import (
    Content,
    ContentRefused,
    Event,
    Hello,
    Quit,
    Reset,
    StartTls,
)
from postwicket.smtp.server.machine import ServerProtocol
from postwicket.smtp.server.moves import State
from postwicket.storage.interfaces import StorageUnavailable

from . import connection_refusals as said
from .accept import unavailable
from .counter import Counter
from .draft import Draft
from .listening import Listening

MOST_RECORDED: Final = 20  # refusals of one session that go into the journal


class Conversation:
    """See the module's text.  `peer` is the client's address."""

    __slots__ = (
        "_counter", "_draft", "_gone", "_helo", "_listening", "_machine", "_peer", "_recorded",
        "_task", "_tls", "_wake",
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
        self._draft: Draft | None = None
        self._task: asyncio.Task[None] | None = None
        self._tls = ""
        self._helo = ""
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
        if refusal is None:
            refusal = said.SHUTTING_DOWN if self._counter.draining else self._unwelcome()
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

    # --- what a kind of session may add -----------------------------------------------------

    def _unwelcome(self) -> Reply | None:
        """Say why this client is not greeted, or None."""
        return None

    def _look_again(self) -> None:
        """Notice what has changed since the last answer; asked before the next ones."""

    def _answered(self) -> None:
        """Notice that an answer that took time has been given."""

    @property
    def _account_name(self) -> str:
        """Who the client is, for the journal; "" for a stranger."""
        return ""

    # --- the machine's questions ------------------------------------------------------------

    def _go_on(self) -> None:
        """Answer what can be answered now; a bug of ours ends this session and no other."""
        try:
            self._converse()
        except Exception as bug:  # noqa: BLE001 (the client hears of it, and so does somebody)
            self._counter.report(bug)
            self._machine.close(said.BROKEN)

    def _converse(self) -> None:
        self._look_again()
        answers = self.ANSWERS
        while (event := self._machine.next_event()) is not None:
            answer = answers.get(type(event))
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
        return _at_your_service(self._listening.terms.hostname, self._peer)

    def _start_tls(self, _: StartTls) -> Reply:
        self.wants_tls = True
        return replies.READY_FOR_TLS

    def _reset(self, _: Reset) -> Reply:
        self._drop()
        return replies.FLUSHED

    def _quit(self, _: Quit) -> Reply:
        self.said_goodbye = True
        return replies.GOODBYE

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
            self._answered()
        if not self._machine.finished:
            self._go_on()
        self._wake()

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
                account=account or self._account_name,
                peer=self._peer,
                helo=self._helo,
                listener=self._listening.settings.name,
            )
        )

    # One look-up instead of a chain of comparisons: this is asked five times a message.
    ANSWERS: ClassVar[Mapping[type[Event], Callable[[Any, Any], Reply | None]]] = {
        Hello: _hello,
        StartTls: _start_tls,
        Reset: _reset,
        Quit: _quit,
    }


# Begins the talk with the client of an address; the second argument wakes its connection.
Begin = Callable[[str, Callable[[], None]], Conversation]


@lru_cache(maxsize=16)
def _greeting(hostname: str) -> Reply:
    return Reply(220, None, f"{hostname} ESMTP Postwicket")


@lru_cache(maxsize=256)
def _at_your_service(hostname: str, peer: str) -> Reply:
    return Reply(250, None, f"{hostname} at your service, [{peer}]")
