"""An errand: a connection on its way to being ready, from host to host until one takes mail.

The hosts of a way are tried in order (RFC 5321, section 5.1): the next one after a failure to
connect, a greeting that is a refusal, TLS that does not come about.  What was tried before is in
the transcript of the attempt that follows.  When no host is left, the answer that explains best
is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.core.clock import Clock
from postwicket.smtp.client.answer import Answer, Stage, Trouble
from postwicket.smtp.client.transcript import Transcript

from .connection import Connection, Timeouts
from .converting import Converter
from .dialling import Target, Unreached
from .race import Dial, dial
from .shipment import Told
from .way import MailHost, Shuffle, Way

LONGEST: Final = 600.0  # seconds after which no further host is tried
# What explains best comes first: what the peer said, then how far we got.
_EXPLAINS: Final = (
    Trouble.CERTIFICATE,
    Trouble.NO_STARTTLS,
    Trouble.TLS,
    Trouble.NO_AUTH,
    Trouble.PROTOCOL,
    Trouble.LOST,
    Trouble.TIMEOUT,
    Trouble.UNREACHABLE,
    Trouble.NAME,
)


def shuffled(hosts: Sequence[MailHost]) -> Sequence[MailHost]:
    """Return the hosts in another order."""
    return random.sample(hosts, len(hosts))


class Sender(Protocol):
    """Who sent the errand (the pool)."""

    def errand_done(self, errand: Errand, connection: Connection) -> None:
        """Take over a connection whose session is set up."""
        ...

    def errand_failed(self, errand: Errand, answer: Answer, told: Told) -> None:
        """Take note that no host of the way let us in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every connection of a process gets."""

    timeouts: Timeouts
    clock: Clock
    disk: Executor | None = None
    converter: Converter | None = None
    shuffle: Shuffle = shuffled


class Errand:
    """One search for an open session.  Implements `connection.Owner` until there is one."""

    def __init__(self, way: Way, means: Means, sender: Sender) -> None:
        self.way = way
        self._means = means
        self._sender = sender
        self._began = means.clock()
        self._story = Transcript(self._began)  # of the hosts that were tried before
        self._left = iter(way.in_order(means.shuffle))
        self._host: MailHost | None = None
        self._connection: Connection | None = None
        self._answer: Answer | None = None
        self._remote = ""
        self._tls = ""
        self._over = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Try the first host."""
        for note in self.way.notes:
            self._story.remark(self._began, note)
        self._next()

    def cancel(self, why: str) -> None:
        """Give up; the sender hears nothing."""
        self._over = True
        if self._task is not None:
            self._task.cancel()
        if self._connection is not None:
            self._connection.abort(why)

    # --- connection.Owner -----------------------------------------------------------------

    def connection_ready(self, connection: Connection) -> None:
        """Hand the connection over."""
        if connection.machine.ended or self._over:
            return  # `connection_ended` comes next; to try anew at once would never end
        self._over = True
        connection.machine.transcript.precede(self._story)
        connection.began = self._began
        self._sender.errand_done(self, connection)

    def connection_finished(self, *_: object) -> None:
        """Never comes: nothing is sent before the connection is handed over."""

    def connection_ended(self, connection: Connection, answer: Answer) -> None:
        """Learn that a host did not let us in."""
        if self._over or connection is not self._connection:
            return
        self._story.follow(connection.transcript)
        self._connection = None
        self._failed(answer, connection.remote, connection.tls)

    # --- inside ---------------------------------------------------------------------------

    def _next(self) -> None:
        """Try the next host, or tell that there is none, or that there was time enough."""
        late = self._means.clock() - self._began > LONGEST
        self._host = None if late else next(self._left, None)
        if self._host is not None:
            self._try(self._host)
            return
        self._over = True
        answer = self._answer or Answer(Stage.CONNECT, None, Trouble.NAME, "no host")
        told = Told(self._story, self._began, self._remote, self._tls)
        self._sender.errand_failed(self, answer, told)

    def _try(self, host: MailHost) -> None:
        self._task = asyncio.get_running_loop().create_task(self._dial(host))

    async def _dial(self, host: MailHost) -> None:
        means = self._means
        try:
            how, tls = host.terms()
            found = await host.targets()

            def made(target: Target) -> Connection:
                self._connection = Connection(
                    how,
                    tls,
                    way=self.way,
                    timeouts=means.timeouts,
                    clock=means.clock,
                    owner=self,
                    disk=means.disk,
                    converter=means.converter,
                )
                self._connection.remote = target.shown
                return self._connection

            how_to = Dial(
                timeout=means.timeouts.connect,
                sources=tuple(self.way.source.split()),
                may=host.objection,
                note=lambda text: self._story.remark(means.clock(), text),
            )
            await dial(found, made, how_to)
        except Unreached as no:
            self._unreached(no.answer)
        except Exception as bug:  # noqa: BLE001 - whatever it is, who waits must hear of it
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"no connection to {host.name} could be tried", "exception": bug}
            )
            detail = f"{host.name}: a mistake of this server, see its log"
            self._unreached(Answer(Stage.CONNECT, None, Trouble.UNREACHABLE, detail))

    def _unreached(self, answer: Answer) -> None:
        self._connection = None
        self._story.remark(self._means.clock(), str(answer))
        self._failed(answer, "", "")

    def _failed(self, answer: Answer, remote: str, tls: str) -> None:
        """Keep the answer that explains best; try again in another way, or the next host."""
        if self._answer is None or rank(answer) < rank(self._answer):
            self._answer, self._remote, self._tls = answer, remote, tls
        if self._host is not None:
            otherwise = self._host.once_more(answer)
            if otherwise:
                self._story.remark(self._means.clock(), otherwise)
                self._try(self._host)
                return
        self._next()


def rank(answer: Answer) -> int:
    """Return how well an answer explains why no host took our mail; 0 is best.

    >>> rank(Answer(Stage.TLS, None, Trouble.CERTIFICATE)) < rank(
    ...     Answer(Stage.CONNECT, None, Trouble.TIMEOUT)
    ... )
    True
    """
    if answer.trouble is None:
        return len(_EXPLAINS) if answer.ours else 0
    known = answer.trouble in _EXPLAINS
    return 1 + _EXPLAINS.index(answer.trouble) if known else len(_EXPLAINS)
