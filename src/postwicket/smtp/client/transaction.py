"""One message on an open session: MAIL, RCPT, content; an answer for every recipient.

Commands go out together where the peer offers PIPELINING (RFC 2920), content by count where it
offers CHUNKING (RFC 3030).  Content never leaves before a recipient was accepted: a server that
did not swallow a refused chunk would run its lines as commands.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from postwicket.core.reply import Reply

from .answer import UNTRIED, Answer, Stage, Trouble
from .commands import Mail, mail_command, objection, rcpt_command, unspeakable
from .content import ContentSink
from .events import ContentWanted
from .outgoing import dot_stuffed
from .transcript import EVERYBODY
from .wire import Gone, Talk, Wire

# RFC 5321, section 4.5.3.1.8: what every server takes.  It also bounds one pipelined write.
MOST_RECIPIENTS: Final = 100


@dataclass(frozen=True, slots=True)
class _Task:
    """The message, the lines that announce it, and the answers so far (by recipient index)."""

    mail: Mail
    opener: str
    lines: dict[int, str]
    answers: list[Answer | None]

    def answer_all(self, batch: list[int], answer: Answer) -> None:
        for index in batch:
            if self.answers[index] is None:
                self.answers[index] = answer


def send_mail(wire: Wire, mail: Mail) -> Talk:
    """Converse until every recipient has an answer, and return them in order.

    A peer that takes fewer recipients at a time (LIMITS, or 452 4.5.3 after it took some) gets
    the others in further transactions.  Those that this session will not carry are UNTRIED.
    """
    task = _announce(wire, mail)
    todo = list(task.lines)
    limit = min(wire.capabilities.rcptmax or MOST_RECIPIENTS, MOST_RECIPIENTS)
    while todo and not exhausted(wire) and not wire.over:
        batch, todo = todo[:limit], todo[limit:]
        todo = (yield from _transaction(wire, task, batch)) + todo
    return tuple([answer or UNTRIED for answer in task.answers])


def exhausted(wire: Wire) -> bool:
    """Say whether the peer takes no further message on this connection (RFC 9422, MAILMAX)."""
    most = wire.capabilities.mailmax
    return most is not None and wire.mails >= most


def _announce(wire: Wire, mail: Mail) -> _Task:
    peer = wire.capabilities
    answers: list[Answer | None] = [None] * len(mail.recipients)
    now = wire.clock()
    against = objection(mail, peer, now)
    opener = None if against else mail_command(mail, peer, now)
    if opener is None:
        against = against or Answer(Stage.MAIL, unspeakable(mail.sender.address), ours=True)
        return _Task(mail, "", {}, [against] * len(answers))
    lines = {}
    for index, recipient in enumerate(mail.recipients):
        line = rcpt_command(recipient, peer)
        if line is None:
            answers[index] = Answer(Stage.RCPT, unspeakable(recipient.address), ours=True)
        else:
            lines[index] = line
    return _Task(mail, opener, lines, answers)


def _transaction(wire: Wire, task: _Task, batch: list[int]) -> Generator[int, Reply, list[int]]:
    """Run one transaction; return the recipients that the peer wants in another one."""
    reused = wire.mails > 0
    wire.mails += 1
    wire.stage = Stage.MAIL
    try:
        return (yield from _envelope(wire, task, batch))
    except Gone as gone:
        wire.over = gone
        # A peer may tire of a connection between two messages; that is no answer to this one.
        idle = reused and wire.stage is Stage.MAIL and gone.closed
        task.answer_all(batch, UNTRIED if idle else gone.at(wire.stage))
        return []


class _Lines:
    """The commands of an envelope: said at once where the peer lets us, else one by one."""

    __slots__ = ("_left", "_wire")

    def __init__(self, wire: Wire, lines: list[tuple[str, int]]) -> None:
        self._wire = wire
        self._left = iter(lines)
        if wire.capabilities.pipelining:
            wire.say_all(lines)
            self._left = iter(())

    def say_next(self) -> None:
        """Say the next line, unless it was said already."""
        for line, who in self._left:
            self._wire.say(line, who)
            return


def _envelope(wire: Wire, task: _Task, batch: list[int]) -> Generator[int, Reply, list[int]]:
    peer = wire.capabilities
    announced = [(task.opener, EVERYBODY), *[(task.lines[i], i) for i in batch]]
    if wire.dirty:
        announced.insert(0, ("RSET", EVERYBODY))
    if not peer.chunking:
        announced.append(("DATA", EVERYBODY))
    lines = _Lines(wire, announced)
    if wire.dirty:
        lines.say_next()
        reply = yield EVERYBODY
        if not _yes(reply):
            raise Gone(reply=reply)
    wire.dirty = True
    lines.say_next()
    reply = yield EVERYBODY
    wire.stage = Stage.RCPT
    if not _yes(reply):
        task.answer_all(batch, Answer(Stage.MAIL, reply))
        if peer.pipelining:
            yield from _sit_out(wire, batch)
        return []
    accepted, again = yield from _recipients(task, batch, lines)
    if accepted:
        task.answer_all(accepted, (yield from _content(wire, task.mail, lines)))
    elif peer.pipelining:
        yield from _sit_out(wire, [])
    return again


def _recipients(
    task: _Task, batch: list[int], lines: _Lines
) -> Generator[int, Reply, tuple[list[int], list[int]]]:
    """Name the recipients; return who was accepted and who belongs in another transaction."""
    accepted: list[int] = []
    again: list[int] = []
    for index in batch:
        lines.say_next()
        reply = yield index
        if _yes(reply):
            accepted.append(index)
        elif accepted and reply.code == 452 and reply.status in {None, (5, 3)}:
            # RFC 5321, section 4.5.3.1.10: no more in this transaction, the others in another.
            again.append(index)
        else:
            task.answers[index] = Answer(Stage.RCPT, reply)
    return accepted, again


def _sit_out(wire: Wire, batch: list[int]) -> Generator[int, Reply, None]:
    """Take the replies to what was pipelined behind a refusal."""
    for index in batch:  # noqa: UP028 - a list cannot be sent replies
        yield index
    if wire.capabilities.chunking:
        return
    reply = yield EVERYBODY
    if reply.code == 354:
        # RFC 2920, section 3.1: nobody is left to get it, so the content is one lone dot.
        wire.out.append(b".\r\n")
        wire.transcript.sent(wire.clock(), ".")
        yield EVERYBODY


def _content(wire: Wire, mail: Mail, lines: _Lines) -> Generator[int, Reply, Answer]:
    """Send the content to those who were accepted; return what came of it."""
    if not wire.capabilities.chunking:
        wire.stage = Stage.DATA
        lines.say_next()
        reply = yield EVERYBODY
        if reply.code != 354:
            if reply.positive:
                raise _nonsense(reply)
            return Answer(Stage.DATA, reply)
    if mail.whole is None:
        reply = yield from (_chunks if wire.capabilities.chunking else _stream)(wire, mail)
    else:
        _say_whole(wire, mail.whole)
        reply = yield EVERYBODY
    wire.dirty = not _yes(reply)
    return Answer(Stage.FINAL, reply)


def _say_whole(wire: Wire, whole: bytes) -> None:
    wire.stage = Stage.FINAL
    if wire.capabilities.chunking:
        wire.out.append(b"BDAT %d LAST\r\n" % len(whole) + whole)
        wire.transcript.sent(wire.clock(), f"BDAT {len(whole)} LAST")
    else:
        wire.out.append(dot_stuffed(whole))
    wire.transcript.sent(wire.clock(), f"({len(whole)} octets of content)")


def _stream(wire: Wire, mail: Mail) -> Generator[int, Reply, Reply]:
    """Let the content be given in pieces, as DATA."""
    sink = _open_sink(wire, mail)
    reply = yield EVERYBODY
    if not sink.done:
        # An answer before the end: whatever follows on this connection is out of step.
        sink.refused = True
        raise _nonsense(reply) if reply.positive else Gone(reply=reply)
    return reply


def _chunks(wire: Wire, mail: Mail) -> Generator[int, Reply, Reply]:
    """Let the content be given in pieces, each a BDAT of its own, with an answer each."""
    sink = _open_sink(wire, mail)
    no: Reply | None = None
    while True:
        reply = yield EVERYBODY
        sink.chunks -= 1
        if sink.chunks < 0:
            raise _nonsense(reply)
        if not _yes(reply):
            sink.refused = True
            no = no or reply
        if sink.chunks == 0 and (sink.done or sink.refused):
            return no or reply


def _open_sink(wire: Wire, mail: Mail) -> ContentSink:
    peer = wire.capabilities
    wire.stage = Stage.CONTENT
    wire.sink = ContentSink(mail, chunking=peer.chunking, eight_bit=peer.eight_bit)
    wire.events.append(ContentWanted())
    return wire.sink


def _yes(reply: Reply) -> bool:
    """Say whether it is a 2yz; a 3yz where none can be means that we no longer understand."""
    if reply.positive and reply.code >= 300:
        raise _nonsense(reply)
    return reply.positive


def _nonsense(reply: Reply) -> Gone:
    return Gone(trouble=Trouble.PROTOCOL, detail=f"{reply.code} is no answer to that")
