"""The client's half of an SMTP session, without a socket.

    machine = Client(Opening(hostname="mail.example.org"), clock)
    machine.receive_data(bytes_from_the_peer)   # then, after every call:
    write(machine.data_to_send())               # everything there is to write, in one go
    machine.next_event()                        # until it returns None

`Ready` says that `send(mail)` may be called, `Finished` brings an answer for each recipient and
means that the next may be sent unless `worn`, `Ended` is always the last event.  Whatever
the peer says, no method raises because of it and every `send` ends in a `Finished`, provided
that the carrier reports a lost connection or a time limit with `lost`.

Not here: sockets, TLS, time limits, and what an answer means for the mail (`policy.outcome`).
"""

from __future__ import annotations

from dataclasses import replace

from postwicket.core.clock import Clock
from postwicket.core.reply import Reply

from .answer import Answer, Stage, Trouble
from .capabilities import Capabilities
from .commands import Mail
from .content import Flaw
from .events import ClientEvent, Ended, Finished
from .opening import Opening, open_session
from .reply_reader import PeerMisbehaved
from .transaction import exhausted, send_mail
from .transcript import EVERYBODY, Transcript
from .wire import HIDDEN, Gone, Talk, Wire

_AWAITED = Reply(220, None, "")  # what a finished handshake hands to the waiting conversation


class Client:
    """One session as a client; `clock` is only read for the transcript."""

    __slots__ = ("_heard", "_talk", "_whose", "_wire")

    def __init__(self, how: Opening, clock: Clock) -> None:
        self._wire = Wire(clock)
        self._talk: Talk | None = _opening(self._wire, how)
        self._whose = next(self._talk)
        self._heard = 0

    # --- what it is doing -----------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        """What the next reply answers."""
        return self._wire.stage

    @property
    def waiting(self) -> bool:
        """True while a reply or a handshake is awaited: the time limit of `stage` is running."""
        return self._talk is not None

    @property
    def ended(self) -> bool:
        """True when nothing more will be said or heard."""
        return self._wire.over is not None

    @property
    def heard(self) -> int:
        """How many replies came so far: progress, for time limits."""
        return self._heard

    @property
    def mails(self) -> int:
        """How many transactions were begun."""
        return self._wire.mails

    @property
    def worn(self) -> bool:
        """True when no further mail may be sent on this session."""
        return self.ended or exhausted(self._wire)

    @property
    def streaming(self) -> bool:
        """True while pieces of content are wanted."""
        sink = self._wire.sink
        return sink is not None and not sink.done and not sink.refused and not self.ended

    @property
    def capabilities(self) -> Capabilities:
        """What the peer offers, once it has answered EHLO."""
        return self._wire.capabilities

    @property
    def notifies(self) -> bool:
        """True when the peer offers DSN, and so sends notices of success itself."""
        return self._wire.capabilities.dsn

    @property
    def transcript(self) -> Transcript:
        """What was said since the last `send`, or since the start."""
        return self._wire.transcript

    # --- bytes ----------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer, any bytes."""
        wire = self._wire
        if wire.over:
            return
        if wire.upgrading:
            self._stop(Gone(trouble=Trouble.PROTOCOL, detail="clear text instead of TLS"))
            return
        wire.reader.feed(data)
        try:
            while not wire.over:
                reply = wire.reader.next_reply()
                if reply is None:
                    return
                self._hear(reply)
        except PeerMisbehaved as error:
            detail = _scrubbed(str(error), wire.scrub)
            self._stop(Gone(trouble=Trouble.PROTOCOL, detail=detail))

    def data_to_send(self) -> bytes:
        """Return everything to write now, once."""
        out = self._wire.out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def next_event(self) -> ClientEvent | None:
        """Return the next event, or None until more was received."""
        events = self._wire.events
        return events.popleft() if events else None

    def secured(self, description: str) -> None:
        """Report that TLS is in place: at the start with `implicit_tls`, or after `UpgradeTls`."""
        wire = self._wire
        if not wire.upgrading:
            raise RuntimeError("no handshake was asked for")
        wire.secure = description
        wire.transcript.remark(wire.clock(), f"TLS: {description}")
        wire.upgrading = False
        self._resume(_AWAITED)

    def lost(self, trouble: Trouble = Trouble.LOST, detail: str = "") -> None:
        """Report that the connection is gone, or that the time limit of `stage` has passed."""
        if not self._wire.over:
            self._stop(Gone(trouble=trouble, detail=detail))

    # --- mail -----------------------------------------------------------------------------

    def send(self, mail: Mail, heading: str = "") -> None:
        """Begin to send; only after `Ready` or `Finished`, and never when `worn`.

        The transcript starts anew, save for the first mail, whose transcript begins with the
        session; `heading` is noted in it.
        """
        if self._talk or self.worn:
            raise RuntimeError("a client sends one mail at a time on a session that is open")
        wire = self._wire
        if wire.mails:
            wire.transcript = Transcript(wire.clock())
        if heading:
            wire.transcript.remark(wire.clock(), heading)
        self._begin(send_mail(wire, mail))

    def content(self, piece: bytes) -> None:
        """Give the next piece of content, while `streaming`."""
        wire = self._wire
        if not self.streaming or wire.sink is None or not piece:
            return
        try:
            wire.out.append(wire.sink.piece(piece))
        except Flaw as flaw:
            # The end of the content must never be said now, so only hanging up is left.
            self._stop(Gone(reply=flaw.reply, ours=True))
            return
        if wire.sink.done:
            wire.stage = Stage.FINAL
            size = wire.sink.size
            wire.transcript.sent(wire.clock(), f"({size} octets of content)")

    def spoil(self, reply: Reply) -> None:
        """Report that the rest of the content cannot be given; hangs up without an end to it."""
        if self.streaming:
            self._stop(Gone(reply=reply, ours=True))

    def remark(self, text: str) -> None:
        """Note something in the transcript."""
        self._wire.transcript.remark(self._wire.clock(), text)

    def quit(self) -> None:
        """Say goodbye, when nothing is under way; `Ended` follows the reply."""
        if self._talk or self._wire.over:
            return
        self._wire.stage = Stage.QUIT
        self._wire.say("QUIT")
        self._begin(_goodbye())

    # --- inside ---------------------------------------------------------------------------

    def _begin(self, talk: Talk) -> None:
        self._talk = talk
        try:
            self._whose = next(talk)
        except StopIteration as done:
            self._finish(done.value)

    def _hear(self, reply: Reply) -> None:
        wire = self._wire
        self._heard += 1
        if wire.scrub:
            reply = _scrubbed_reply(reply, wire.scrub)
        wire.transcript.heard(wire.clock(), reply, self._whose if self._talk else EVERYBODY)
        if reply.code == 421 or self._talk is None:
            # 421 may come at any point and nothing follows it (RFC 5321, section 3.8); any
            # other reply that nobody asked for means that we no longer understand each other.
            trouble = None if reply.code == 421 else Trouble.PROTOCOL
            said = f"unasked: {reply}" if trouble else ""
            self._stop(Gone(reply=None if trouble else reply, trouble=trouble, detail=said))
        else:
            self._resume(reply)

    def _resume(self, reply: Reply) -> None:
        if self._talk is None:
            return
        try:
            self._whose = self._talk.send(reply)
        except StopIteration as done:
            self._finish(done.value)
        except Gone as gone:
            self._stop(gone)

    def _stop(self, gone: Gone) -> None:
        """End the session: whoever waits is told, then `Ended`."""
        wire, talk = self._wire, self._talk
        wire.over = gone
        wire.upgrading = False
        wire.out.clear()
        stage = wire.stage
        wire.transcript.remark(wire.clock(), str(gone.at(stage)))
        if talk is not None:
            self._talk = None
            try:
                talk.throw(gone)
            except StopIteration as done:
                self._tell(done.value)
            except Gone:
                pass
        wire.events.append(Ended(gone.at(stage)))

    def _finish(self, answers: tuple[Answer, ...] | None) -> None:
        """Close a conversation that came to its end."""
        self._talk = None
        self._wire.sink = None
        self._tell(answers)
        over = self._wire.over
        if over:
            self._wire.out.clear()
            self._wire.events.append(Ended(over.at(self._wire.stage)))

    def _tell(self, answers: tuple[Answer, ...] | None) -> None:
        if answers is not None:
            self._wire.events.append(Finished(answers))


def _opening(wire: Wire, how: Opening) -> Talk:
    yield from open_session(wire, how)
    return None


def _goodbye() -> Talk:
    reply = yield EVERYBODY
    raise Gone(reply=reply)


def _scrubbed_reply(reply: Reply, secrets: tuple[str, ...]) -> Reply:
    text = _scrubbed(reply.text, secrets)
    return reply if text == reply.text else replace(reply, text=text)


def _scrubbed(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    return text
