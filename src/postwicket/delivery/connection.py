"""One connection to a mail host: carries bytes between a socket and the client machine.

Callbacks only: no task and no future per message or line, one write per turn.  Content that is
larger than memory should be is pumped in pieces, and only while the socket takes them.  One lazy
timer per connection: it looks when it fires whether its time has come or was put off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol, cast

from postwicket.core.clock import Clock
from postwicket.core.tls_verdict import TlsVerdict
from postwicket.net.tls import TlsFailed, TlsLayer
from postwicket.net.tls_plan import TlsPlan
from postwicket.smtp.client.answer import UNTRIED, Answer, Stage, Trouble
from postwicket.smtp.client.commands import Mail
from postwicket.smtp.client.events import (
    ClientEvent,
    ContentWanted,
    Ended,
    Finished,
    Ready,
    UpgradeTls,
)
from postwicket.smtp.client.machine import Client
from postwicket.smtp.client.opening import Opening
from postwicket.smtp.client.transcript import Transcript
from postwicket.storage.interfaces import Content

from .converting import Converter, Prepared, Wanted, wants_converting
from .shipment import UNREADABLE, UNREADABLE_ERRORS, Shipment, mail_of, unreadable
from .way import Way

BLOCK_TIMEOUT: Final = 180.0  # seconds for a piece of content; RFC 5321, section 4.5.3.2.5
GOODBYE_TIMEOUT: Final = 5.0  # seconds for the answer to QUIT, which changes nothing
SLOWEST: Final = 1024.0  # octets per second that a peer has to take, on the whole
MOST_BUFFERED: Final = 262_144  # octets in the transport before the pump waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds: for connecting and TLS, for one reply, for the reply to a whole message."""

    connect: float = 30.0
    command: float = 300.0
    data: float = 600.0

    @property
    def opening(self) -> float:
        """Return how long it may take in all until mail may be sent."""
        return self.connect + 2 * self.command

    def whole(self, size: int) -> float:
        """Return how long one message of so many octets may take, up to the last answer.

        A peer that answers each command just in time would otherwise hold a connection for hours.
        """
        return 3 * self.command + size / SLOWEST

    def of(self, stage: Stage) -> float:
        """Return how long the peer may take in a stage."""
        if stage is Stage.TLS:
            return self.connect
        if stage is Stage.FINAL:
            return self.data
        if stage is Stage.CONTENT:
            return min(BLOCK_TIMEOUT, self.data)
        return GOODBYE_TIMEOUT if stage is Stage.QUIT else self.command


class Owner(Protocol):
    """Who is told what becomes of a connection (the pool)."""

    def connection_ready(self, connection: Connection) -> None:
        """Take note that mail may be sent."""
        ...

    def connection_finished(
        self, connection: Connection, shipment: Shipment, answers: tuple[Answer, ...]
    ) -> None:
        """Take the answers to a shipment; the connection is free unless `worn`."""
        ...

    def connection_ended(self, connection: Connection, answer: Answer) -> None:
        """Take note that the connection is gone, after any answers."""
        ...


class Connection(asyncio.Protocol):
    """One session with a host that takes mail."""

    def __init__(
        self,
        how: Opening,
        tls: TlsPlan | None,
        *,
        way: Way,
        timeouts: Timeouts,
        clock: Clock,
        owner: Owner,
        disk: Executor | None = None,
        converter: Converter | None = None,
    ) -> None:
        self.machine = Client(how, clock)
        self.way = way
        self.remote = ""
        self.trust = ""  # why the peer is trusted, in words; "" where it is not
        self.carried = 0  # shipments
        self.began = clock()  # the attempt under way
        self.free_since = 0.0
        self.shipment: Shipment | None = None
        self._implicit = how.implicit_tls
        self._tls_plan = tls
        self._tls: TlsLayer | None = None
        self._counted = False  # how TLS went was told
        self._ends = ("", "")  # our IP address and the peer's
        self._timeouts = timeouts
        self._clock = clock
        self.owner = owner  # changes when an errand hands it over to its pool
        self._disk = disk
        self._converter = converter
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # loop time at which the peer has taken too long
        self._limit = self._loop.time() + timeouts.opening  # loop time at which all has
        self._heard = -1
        self._stage: Stage | None = None
        self._content: Content | None = None
        self._flow = 0  # which ContentWanted is being answered
        self._pump: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None

    # --- what it is doing -----------------------------------------------------------------

    @property
    def tls(self) -> str:
        """The TLS version and cipher, and that the peer was not verified if so; or ""."""
        if self._tls is None or not self._tls.secure or self._tls_plan is None:
            return ""
        unsure = "" if self._tls_plan.verified else " (certificate not verified)"
        return self._tls.description + unsure

    @property
    def transcript(self) -> Transcript:
        """What was said in the attempt under way or just over."""
        return self.machine.transcript

    def send(self, shipment: Shipment, content: Content) -> None:
        """Begin to send; the owner hears `connection_finished`."""
        self.shipment = shipment
        self.began = self._clock()
        fresh = self.carried == 0
        self.carried += 1
        try:
            mail = mail_of(shipment, content)
        except UNREADABLE_ERRORS:
            self._finish(unreadable(shipment))
            return
        heading = "" if fresh else f"message {self.carried} on a connection to {self.remote}"
        if heading and self._tls is not None:
            heading += f", {self.tls}"
        lacking = wants_converting(mail, self.machine.capabilities)
        if self._converter is not None and lacking is not None:
            wanted = Wanted(shipment, content, lacking)
            self._pump = self._loop.create_task(self._convert(self._converter, wanted, heading))
        else:
            self._say(mail, content, heading)

    def quit(self) -> None:
        """Say goodbye; the owner hears `connection_ended`."""
        self.machine.quit()
        self._turn()

    def abort(self, detail: str) -> None:
        """Hang up at once; what waits is told that the connection was lost."""
        self.machine.lost(Trouble.LOST, detail)
        self._turn()

    # --- asyncio.Protocol -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; start TLS where it comes first."""
        # uvloop's transports are asyncio.Transport in all but name.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=MOST_BUFFERED)
        ours, theirs = map(transport.get_extra_info, ("sockname", "peername"))
        self._ends = (ours[0] if ours else "", theirs[0] if theirs else "")
        self.machine.remark(f"connected to {self.remote}")
        if self._implicit:
            self._start_tls()
        self._turn()

    def data_received(self, data: bytes) -> None:
        """Pass bytes to TLS, or what they say to the machine."""
        if self._over:
            return
        if self._tls is not None:
            data = self._decrypt(self._tls, data)
        if data:
            self.machine.receive_data(data)
        self._turn()

    def eof_received(self) -> bool:
        """Close: a peer that has nothing more to say is of no use."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the machine, and so whoever waits."""
        self._transport = None
        self.machine.lost(Trouble.LOST, _words(exc))
        self._turn()

    def pause_writing(self) -> None:
        """Let the pump wait."""
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let the pump go on."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # --- turns ----------------------------------------------------------------------------

    def _turn(self) -> None:
        """Write what there is to write, tell what there is to tell, watch the time."""
        machine = self.machine
        while True:
            data = machine.data_to_send()
            if data:
                self._write(data)
            event = machine.next_event()
            if event is None:
                break
            self._tell(event)
        if not self._over:
            self._watch()

    def _tell(self, event: ClientEvent) -> None:
        match event:
            case Finished(answers):
                self._finish(answers)
            case ContentWanted():
                self._flow += 1
                self._pump = self._loop.create_task(self._give(self._flow))
            case Ready():
                if self._tls is None:
                    self._count(TlsVerdict.NO_STARTTLS)
                self.owner.connection_ready(self)
            case UpgradeTls():
                self._start_tls()
            case Ended(answer):
                self._end(answer)

    def _say(self, mail: Mail, content: Content, heading: str, *remarks: str) -> None:
        self._content = content
        self._limit = self._loop.time() + self._timeouts.whole(mail.size)
        self.machine.send(mail, heading)
        for remark in remarks:
            self.machine.remark(remark)
        self._turn()

    async def _convert(self, converter: Converter, wanted: Wanted, heading: str) -> None:
        """Send what the peer can take instead; the peer may have gone when it is ready."""
        made = await converter.prepare(wanted)
        if not isinstance(made, Prepared):
            self._finish(made)
        elif self._over:
            self._finish((UNTRIED,) * len(wanted.shipment.deliveries))
        else:
            self._say(made.mail, made.content, heading, *made.remarks)

    def _finish(self, answers: tuple[Answer, ...]) -> None:
        shipment, self.shipment, self._content = self.shipment, None, None
        self.free_since = self._clock()
        if shipment is not None:
            self.owner.connection_finished(self, shipment, answers)

    def _end(self, answer: Answer) -> None:
        if self._over:
            return
        self._over = True
        if answer.stage is Stage.STARTTLS:
            self._count(TlsVerdict.NO_STARTTLS)
        elif answer.stage is Stage.TLS:
            self._count(TlsVerdict.FAILED)
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        if self._transport is not None:
            if answer.ours or answer.trouble is not None or answer.stage is Stage.CONTENT:
                # Nothing that is still buffered may follow: it could be half a message.
                self._transport.abort()
            else:
                if self._tls is not None:
                    self._tls.close()
                    self._transport.write(self._tls.data_to_send())
                self._transport.close()
        self.owner.connection_ended(self, answer)

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._tls is not None:
            try:
                self._tls.send(data)
            except TlsFailed as error:
                self.machine.lost(Trouble.TLS, str(error))
                return
            data = self._tls.data_to_send()
        self._transport.write(data)

    # --- TLS ------------------------------------------------------------------------------

    def _start_tls(self) -> None:
        plan = self._tls_plan
        if plan is None or self._transport is None:
            self.machine.lost(Trouble.TLS, "no TLS is set up for this upstream")
            return
        try:
            self._tls = TlsLayer(plan.context, server_side=False, server_hostname=plan.name)
            self._tls.start()
        except (TlsFailed, ValueError) as error:
            self.machine.lost(Trouble.TLS, str(error))
            return
        self._transport.write(self._tls.data_to_send())

    def _decrypt(self, tls: TlsLayer, data: bytes) -> bytes:
        before = tls.secure
        try:
            plain = tls.receive(data)
            self._write_alert(tls)
            if tls.secure and not before:
                self._secured(tls)
        except TlsFailed as error:
            self._write_alert(tls)
            if self.machine.stage is Stage.TLS:
                self._count(error.verdict)
            trouble = Trouble.CERTIFICATE if error.distrusted else Trouble.TLS
            self.machine.lost(trouble, str(error))
            return b""
        if tls.ended and not plain:
            self.machine.lost(Trouble.LOST, "the peer closed TLS")
        return plain

    def _secured(self, tls: TlsLayer) -> None:
        """Judge the peer before anything is said to it; raises `TlsFailed`."""
        plan = self._tls_plan
        if plan is not None and plan.trust is not None:
            self.trust = plan.trust(tls)
        self._count(TlsVerdict.SUCCESS)
        self.machine.secured(f"{self.tls}, {self.trust}" if self.trust else self.tls)

    def _count(self, verdict: TlsVerdict) -> None:
        """Tell how TLS went, once."""
        if not self._counted and self._tls_plan is not None and self._tls_plan.heard is not None:
            self._counted = True
            self._tls_plan.heard(verdict, *self._ends)

    def _write_alert(self, tls: TlsLayer) -> None:
        out = tls.data_to_send()
        if out and self._transport is not None:
            self._transport.write(out)

    # --- content in pieces ----------------------------------------------------------------

    async def _give(self, flow: int) -> None:
        """Pump pieces into the machine, no faster than the socket takes them."""
        pieces: Iterator[bytes] | None = None
        while self._wanted(flow):
            if self._room is not None:
                await self._room
                continue
            try:
                if pieces is None and self._content is not None:
                    pieces = self._content.pieces()
                piece = await self._loop.run_in_executor(self._disk, _next_piece, pieces)
            except UNREADABLE_ERRORS:
                piece = b""
            if not self._wanted(flow):
                return
            if piece:
                self.machine.content(piece)
            else:
                self.machine.spoil(UNREADABLE)
            self._heard = -1  # a piece is progress
            self._turn()

    def _wanted(self, flow: int) -> bool:
        return flow == self._flow and self.machine.streaming

    # --- time -----------------------------------------------------------------------------

    def _watch(self) -> None:
        """Put the time limit off when there was progress; arm the timer if there is none."""
        machine = self.machine
        if not machine.waiting:
            self._stage = None
            return
        if machine.stage is self._stage and machine.heard == self._heard:
            return
        self._stage, self._heard = machine.stage, machine.heard
        self._due = self._loop.time() + self._timeouts.of(machine.stage)
        if machine.stage is not Stage.FINAL:
            # The whole message is with the peer: to hang up now would make its fate uncertain.
            self._due = min(self._due, self._limit)
        if self._timer is None or self._timer.when() > self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._over or self._stage is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
            return
        if self._stage is not Stage.FINAL and self._loop.time() >= self._limit:
            detail = "the peer answers too slowly: the attempt took too long as a whole"
        else:
            detail = f"waited {self._timeouts.of(self._stage):.0f} s"
        self.machine.lost(Trouble.TIMEOUT, detail)
        self._turn()


def _words(error: Exception | None) -> str:
    if error is None:
        return "closed by the peer"
    return getattr(error, "strerror", None) or type(error).__name__


def _next_piece(pieces: Iterator[bytes] | None) -> bytes:
    return next(pieces, b"") if pieces is not None else b""
