"""One connection of a client: what happens between the socket and the SMTP session.

The order of things is in `Phase`: an optional PROXY header; the first bytes, which tell whether
the client starts TLS at once; the handshake; the talk; and a short wait after a goodbye that
the client has not read yet.  A client that came to the wrong port is recognised here: TLS on
the STARTTLS port is served, and whoever waits for words on the TLS port gets one plain line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, cast

from postwicket.core.entry import Finding
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.net.proxy import ProxyFault, ProxyReader
from postwicket.net.sockets import has_input
from postwicket.net.tls import TlsFailed, TlsLayer, looks_like_client_hello

from . import connection_refusals as said
from .conversation import Begin, Conversation
from .counter import Counter, Manners
from .listening import Listening, plain_address

# Seconds that a client which starts TLS at once gets to do so before it is greeted in the clear:
# of an address whose clients wait for the greeting, of an unknown one, and of one where a client
# did not wait lately.  What is typed by a program comes within a millisecond or two.
FIRST_BYTES: Final = {Manners.PATIENT: 0.005, Manners.UNKNOWN: 0.03, Manners.EARLY: 0.5}
LINGER: Final = 10.0  # seconds that a client gets to read why we hung up
MOST_LINGERED: Final = 200_000_000  # octets thrown away meanwhile
MOST_UNREAD: Final = 256_000  # octets of pipelined input taken while an answer is worked out
GRACE: Final = 60.0  # seconds before the speed of a message is judged


class Phase(Enum):
    """Where a connection is."""

    PROXY = auto()
    FIRST_BYTES = auto()
    HANDSHAKE = auto()
    TALK = auto()
    LINGER = auto()
    CLOSED = auto()


class Connection(asyncio.Protocol):
    """See the module's text; the listener makes one for each connection."""

    __slots__ = (
        "_admitted", "_began", "_begin", "_behind", "_counter", "_deadline", "_half_closed",
        "_lingered", "_listening", "_peer", "_phase", "_proxy", "_reading", "_session",
        "_timer", "_tls", "_transport", "_unanswered", "_unread", "_writable",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(self, listening: Listening, counter: Counter, begin: Begin) -> None:
        self._listening = listening
        self._counter = counter
        self._begin = begin
        self._phase = Phase.CLOSED
        self._proxy: ProxyReader | None = None
        self._session: Conversation | None = None
        self._tls: TlsLayer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer = self._admitted = ""
        self._unread = self._lingered = 0
        self._began = self._deadline = 0.0
        self._writable = self._reading = True
        self._half_closed = self._unanswered = self._behind = False

    # --- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; see asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without saying so
        address = transport.get_extra_info("peername")
        self._peer = plain_address(str(address[0])) if address else ""
        self._began = now = self._counter.loop.time()
        self._deadline = now + self._counter.settings.handshake
        self._counter.enter(self)
        if self._listening.behind_proxy(self._peer):
            self._phase, self._proxy = Phase.PROXY, ProxyReader()
        else:
            self._enter()

    def data_received(self, data: bytes) -> None:
        """Take bytes; see asyncio.Protocol."""
        match self._phase:
            case Phase.TALK:
                self._talk(data)
            case Phase.FIRST_BYTES:
                self._first_bytes(data)
            case Phase.HANDSHAKE:
                self._shake_hands(data)
            case Phase.PROXY:
                self._read_proxy_header(data)
            case Phase.LINGER:
                self._lingered += len(data)
                if self._lingered > MOST_LINGERED:
                    self._transport.abort()
            case Phase.CLOSED:
                pass

    def eof_received(self) -> bool:
        """Let the transport close, unless an answer is being worked out for a client that listens.

        A script may hand everything over at once and shut down its side.
        """
        self._half_closed = self._answers_due
        return self._half_closed

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Let go of everything; see asyncio.Protocol."""
        self._phase = Phase.CLOSED
        self._stop_timer()
        if self._session is not None:
            self._session.lost()
        # Each of them knows the other: without this they would wait for the garbage collector.
        self._session = self._tls = None
        self._counter.leave(self, self._admitted)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read what we say."""
        self._writable = False
        self._regulate()

    def resume_writing(self) -> None:
        """Go on."""
        self._writable = True
        self._catch_up()
        self._regulate()

    # --- for the counter --------------------------------------------------------------------

    def drain(self) -> None:
        """Hang up unless a message is under way."""
        if self._phase is Phase.TALK and self._session is not None:
            self._session.drain()
            self._write()
        elif self._phase in {Phase.PROXY, Phase.FIRST_BYTES, Phase.HANDSHAKE}:
            self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def look_at_the_clock(self, now: float) -> None:
        """Keep the time limits; called once a second."""
        if self._phase is not Phase.TALK or self._session is None:
            if now > self._deadline:
                self._transport.abort()
            return
        if not self._writable and now > self._deadline:
            self._transport.abort()  # it does not read, so a reply would not help
        elif self._session.waiting:
            self._deadline = now + self._counter.settings.timeout
        elif now > self._deadline:
            self._hang_up(said.TIMEOUT)
        elif now > self._began + self._counter.settings.total:
            late = now > self._began + 2 * self._counter.settings.total
            if late or self._session.between_messages:
                self._hang_up(said.EXPIRED)
        elif self._session.receiving_content:
            self._look_at_the_speed(self._session, now)

    def _look_at_the_speed(self, session: Conversation, now: float) -> None:
        seconds = now - session.content_began
        slowest = self._counter.settings.min_rate * seconds
        if seconds > GRACE and session.content_size < slowest:
            self._hang_up(said.TOO_SLOW)

    # --- before the talk --------------------------------------------------------------------

    def _read_proxy_header(self, data: bytes) -> None:
        assert self._proxy is not None  # noqa: S101 (the phase says so)
        try:
            header = self._proxy.feed(data)
        except ProxyFault as fault:
            self._find("proxy.header", "protocol", str(fault), "send the PROXY header first")
            self._transport.abort()
            return
        if header is not None:
            if header.source is not None:
                self._peer = header.source[0]
            self._enter()
            if header.rest:
                self.data_received(header.rest)

    def _enter(self) -> None:
        """Begin with a client whose address is known."""
        self._admitted = self._peer
        refusal = None
        if not self._counter.admit(self._peer):
            refusal = said.TOO_MANY
        elif not self._listening.may_connect(self._peer):
            refusal = said.NOT_HERE
        if self._listening.implicit:
            if refusal is not None:
                self._transport.abort()  # it could not read a plain reply
                return
            self._begin_handshake()
            self._wait(self._counter.settings.greeting_wait, self._explain_tls_port)
            return
        self._session = self._begin(self._peer, self._woken)
        if refusal is not None or self._listening.certificates is None:
            self._greet(refusal)
            return
        self._phase = Phase.FIRST_BYTES
        self._wait(FIRST_BYTES[self._counter.manners(self._peer)], self._nothing_came)

    def _nothing_came(self) -> None:
        if self._phase is not Phase.FIRST_BYTES:
            return
        if has_input(self._transport):
            # On a busy loop the timer can be ahead of bytes that are here already.
            self._wait(FIRST_BYTES[Manners.PATIENT], self._nothing_came)
        else:
            self._greet(None)
            self._unanswered = True

    def _greet(self, refusal: Reply | None) -> None:
        self._phase = Phase.TALK
        if self._session is not None:
            self._session.greet(refusal)
            self._touch()
            self._write()

    def _first_bytes(self, data: bytes) -> None:
        self._stop_timer()
        if looks_like_client_hello(data):
            self._counter.remember(self._peer, Manners.EARLY)
            self._report(said.TLS_ON_PLAIN_PORT)
            self._begin_handshake()
            self._shake_hands(data)
        else:
            self._greet(None)
            if self._phase is Phase.TALK:
                self._talk(data)

    def _begin_handshake(self) -> None:
        assert self._listening.certificates is not None  # noqa: S101 (TLS listeners have them)
        context = self._listening.certificates.context()
        self._tls = TlsLayer(context, server_side=True)
        self._phase = Phase.HANDSHAKE
        self._deadline = self._counter.loop.time() + self._counter.settings.handshake

    def _shake_hands(self, data: bytes) -> None:
        tls = self._tls
        assert tls is not None  # noqa: S101 (the phase says so)
        if self._timer is not None:
            self._stop_timer()
            if self._session is None and not looks_like_client_hello(data):
                self._explain_tls_port()
                return
        try:
            plaintext = tls.receive(data)
        except TlsFailed as failure:
            self._transport.write(tls.data_to_send())
            self._report(said.handshake_failed(failure.reason))
            self._transport.close()
            return
        outgoing = tls.data_to_send()
        if outgoing:
            self._transport.write(outgoing)
        if tls.secure:
            self._talk_securely(tls, plaintext)

    def _talk_securely(self, tls: TlsLayer, plaintext: bytes) -> None:
        self._phase = Phase.TALK
        self._touch()
        upgraded = self._session is not None and self._session.greeted
        if self._session is None:
            self._session = self._begin(self._peer, self._woken)
        self._session.tls_started(tls.description)
        if not upgraded:
            self._session.greet()
        if plaintext:
            self._session.receive(plaintext)
        self._write()

    def _explain_tls_port(self) -> None:
        """Tell a client that waits or speaks in the clear, in the one way it can hear."""
        refusal = said.plain_on_tls_port(self._listening.starttls_ports)
        self._report(refusal)
        self._transport.write(refusal.reply.wire)
        self._linger()

    # --- the talk ---------------------------------------------------------------------------

    def _talk(self, data: bytes) -> None:
        session = self._session
        assert session is not None  # noqa: S101 (the phase says so)
        self._touch()
        if self._unanswered and self._answers_with_tls(data):
            return
        if self._tls is not None:
            try:
                data = self._tls.receive(data)
            except TlsFailed as failure:
                self._find("tls.broken", "network", str(failure), "look for what cuts the link")
                self._transport.abort()
                return
        if data:
            session.receive(data)
            if session.waiting:
                self._unread += len(data)
                self._regulate()
        self._write()
        if self._tls is not None and self._tls.ended:
            self._transport.close()

    def _answers_with_tls(self, data: bytes) -> bool:
        """Learn from the first bytes after the greeting; True when they came too late for it."""
        self._unanswered = False
        if not looks_like_client_hello(data):
            self._counter.remember(self._peer, Manners.PATIENT)
            return False
        # It has read our greeting as TLS already; the next time it is waited for.
        self._counter.remember(self._peer, Manners.EARLY)
        self._report(said.TLS_TOO_LATE)
        self._transport.close()
        return True

    def _woken(self) -> None:
        """Say what the session has worked out meanwhile."""
        self._unread = 0
        if self._phase is Phase.TALK:
            self._touch()
            self._write()
            self._regulate()
            self._close_if_done()

    def _write(self) -> None:
        """Write what the session says, and do what it came to."""
        session = self._session
        if session is None or self._phase is not Phase.TALK:
            return
        behind = session.behind
        data = session.data_to_send()
        if self._tls is not None:
            if data:
                self._tls.send(data)
            if session.finished:
                self._tls.close()
            data = self._tls.data_to_send()
        if data:
            self._transport.write(data)
        if session.finished:
            self._part(politely=session.said_goodbye)
        elif session.wants_tls:
            self._begin_handshake()
        elif behind:
            self._behind = True
            self._regulate()
            self._counter.loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        """Answer the next portion of a long pipeline, once the client takes what it was told."""
        if self._behind and self._writable and self._session and self._phase is Phase.TALK:
            self._behind = False
            self._session.receive(b"")
            self._write()
            self._regulate()
            self._close_if_done()

    @property
    def _answers_due(self) -> bool:
        return self._behind or (self._session is not None and self._session.waiting)

    def _close_if_done(self) -> None:
        """Close for a client that has shut down its side and heard everything."""
        if self._half_closed and not self._answers_due:
            self._transport.close()

    def _part(self, *, politely: bool) -> None:
        if politely:
            self._phase = Phase.CLOSED
            self._transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Let the client finish talking, so that it reads why we hung up instead of a reset."""
        self._phase = Phase.LINGER
        self._deadline = self._counter.loop.time() + LINGER
        self._stop_timer()
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _hang_up(self, reply: Reply) -> None:
        if self._session is not None:
            self._session.close(reply)
            self._write()

    def _touch(self) -> None:
        self._deadline = self._counter.loop.time() + self._counter.settings.timeout

    def _regulate(self) -> None:
        """Read only what can be answered: neither side's slowness fills our memory."""
        waiting = self._session is not None and self._session.waiting
        full = self._behind or (waiting and self._unread > MOST_UNREAD)
        wanted = self._writable and not full
        if wanted != self._reading and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # --- timers and telling -----------------------------------------------------------------

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = self._counter.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report(self, refusal: Refusal) -> None:
        self._find(refusal.rule, refusal.cause.value, refusal.why, refusal.fix)

    def _find(self, rule: str, cause: str, why: str, fix: str) -> None:
        self._counter.find(
            Finding(
                at=self._counter.clock(),
                rule=rule,
                cause=cause,
                why=why,
                fix=fix,
                peer=self._peer,
                listener=self._listening.settings.name,
            )
        )
