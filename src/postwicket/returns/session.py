"""A session on port 25: other servers bring bounces and reports here, and nothing else.

Who writes to an address that does not exist is refused at RCPT.  Nobody signs in, TLS is
offered and not asked for, and nothing that comes in ever goes anywhere but to our own people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from postwicket.core.envelope import Recipient
from postwicket.core.queue_id import QueueId, spell
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.message.comeback import Comeback, read_comeback
from postwicket.message.header import Header, MalformedHeader
from postwicket.message.received import Hop, received_field
from postwicket.smtp.server import replies
from postwicket.smtp.server.events import Data, EndOfContent, Mail, Rcpt
from postwicket.storage.bodies import BodyStore
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.values import Message, SmallBody, StoredBody
from postwicket.submission import connection_refusals as said
from postwicket.submission.accept import malformed, unavailable
from postwicket.submission.conversation import Conversation
from postwicket.submission.counter import Counter
from postwicket.submission.draft import Draft
from postwicket.submission.listening import Listening
from postwicket.trust.return_path import Returned

from . import refusals
from .changes import Arrival
from .keeping import TooEarly
from .matching import sealed_reference, written_reference
from .places import Kind, Place
from .reception import LARGEST_NOTICE, MOST_GUESSES, MOST_RECIPIENTS, Reception

MOST_HOPS: Final = (
    50  # Received fields; a way to us has five, RFC 5321, section 6.3 wants 100 allowed
)
KEPT: Final = Reply(250, (0, 0), "Thank you, it is kept")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A message that has come in: who wrote, to what, as it is kept, and as it was read."""

    draft: Draft
    places: tuple[Place, ...]
    id: QueueId
    arrival: Arrival
    body: SmallBody | StoredBody
    comeback: Comeback


class InboundSession(Conversation):
    """See the module's text.  `peer` is the client's address."""

    __slots__ = ("_guesses", "_places", "_reception")

    def __init__(
        self,
        listening: Listening,
        counter: Counter,
        reception: Reception,
        peer: str,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(listening, counter, peer, wake)
        self._reception = reception
        self._places: list[Place] = []
        self._guesses = 0

    # --- the machine's questions ------------------------------------------------------------

    def _mail(self, mail: Mail) -> Reply | None:
        if self._counter.draining:  # said behind a message without waiting for its answer
            self._machine.close(said.SHUTTING_DOWN)
            return None
        self._drop()
        self._draft = Draft(mail.sender, self._counter.bodies)
        self._machine.terms = self._listening.terms
        return replies.SENDER_OK

    def _rcpt(self, rcpt: Rcpt) -> Reply | None:
        draft = self._draft
        if draft is None:
            return replies.MAIL_FIRST
        try:
            place = self._reception.places.place(
                rcpt.recipient.address, sender=draft.sender.address, now=self._counter.clock()
            )
        except StorageUnavailable as error:
            return self._refused("RCPT", unavailable(error))
        if isinstance(place, Refusal):
            return self._not_here(place)
        sealed = place.returned is not None or any(one.returned for one in self._places)
        if self._places and (sealed or len(self._places) >= MOST_RECIPIENTS):
            return self._refused("RCPT", refusals.SEVERAL)
        self._places.append(place)
        draft.address(rcpt.recipient)
        return replies.RECIPIENT_OK

    def _not_here(self, refusal: Refusal) -> Reply | None:
        """Refuse an address, and hang up on somebody who tries one after the other."""
        self._guesses += 1
        reply = self._refused("RCPT", refusal)
        if self._guesses <= MOST_GUESSES:
            return reply
        self._machine.close(refusals.GUESSING)
        return None

    def _data(self, _: Data) -> Reply:
        if self._draft is None or not self._places:
            return replies.MAIL_FIRST
        if not self._reception.has_time_for(self._places, self._peer, self._counter.clock()):
            return self._refused("DATA", refusals.TOO_MANY)
        if self._places[0].returned is not None:
            terms = self._listening.terms
            self._machine.terms = replace(terms, size=min(terms.size, LARGEST_NOTICE))
        self.content_size, self.content_began = 0, self._counter.loop.time()
        return replies.GO_AHEAD

    def _end(self, _: EndOfContent) -> Reply | None:
        draft, places = self._draft, self._places
        if draft is None or not places:
            return replies.MAIL_FIRST
        self._draft, self._places = None, []
        self._work(self._accept(draft, places))
        return None

    # --- answers that take time -------------------------------------------------------------

    async def _accept(self, draft: Draft, places: list[Place]) -> Reply:
        keeping = self._reception.keeping
        arrival = Arrival(
            at=self._counter.clock(), peer=self._peer, listener=self._listening.settings.name
        )
        queue_id = keeping.next_id()
        try:
            body, comeback = await self._counter.loop.run_in_executor(
                self._counter.disk, _read, draft, queue_id, self._counter.bodies
            )
            whole = _Whole(draft, tuple(places), queue_id, arrival, body, comeback)
            refusal = await self._take_in(whole)
        except StorageUnavailable as error:
            refusal = unavailable(error)
        except TooEarly:
            refusal = refusals.TOO_EARLY
        finally:
            draft.discard()
        return self._refused("DATA", refusal) if refusal is not None else KEPT

    async def _take_in(self, whole: _Whole) -> Refusal | None:
        """Do what the addresses are for."""
        place = whole.places[0]
        if place.returned is None or place.message is None:
            await self._complaint(whole)
            return await self._keep(whole, whole.draft.recipients)
        if place.kind is Kind.BOUNCE:
            return await self._came_back(whole, place.message, place.returned)
        how = f"by mail from {whole.draft.sender.address}"
        await self._reception.keeping.unsubscribe(
            place.message, place.returned, how, whole.arrival
        )
        return None

    async def _came_back(
        self, whole: _Whole, message: Message, returned: Returned
    ) -> Refusal | None:
        """Take what came to a return path."""
        keeping, comeback = self._reception.keeping, whole.comeback
        if comeback.fates:
            await keeping.notice(message, returned, comeback, whole.arrival)
        elif comeback.feedback is not None:
            await keeping.complaint(message, returned, comeback.feedback, whole.arrival)
        elif comeback.automatic:
            await keeping.note(message, "answer", comeback.subject, whole.arrival)
        elif whole.draft.sender.address is not None:
            return refusals.NOT_A_REPORT
        else:
            # Nobody could read it: somebody may want to.
            await keeping.note(message, "nothing", comeback.subject, whole.arrival)
            return await self._keep(whole, [Recipient(whole.places[0].address)])
        return None

    async def _complaint(self, whole: _Whole) -> None:
        """Find out which message of ours a complaint to one of our mailboxes is about."""
        comeback, places = whole.comeback, self._reception.places
        if comeback.feedback is None or places.paths is None:
            return
        returned = sealed_reference(comeback, places.paths, now=whole.arrival.at)
        message = places.find(returned.message) if returned else None
        written = written_reference(comeback, self._reception.hostname)
        if message is None and written is not None:
            returned = None
            found = places.find(written[0])
            message = found if found is not None and found.message_id == written[1] else None
        if message is not None:
            await self._reception.keeping.complaint(
                message, returned, comeback.feedback, whole.arrival
            )

    async def _keep(self, whole: _Whole, recipients: list[Recipient]) -> Refusal | None:
        """Keep mail for people."""
        draft = whole.draft
        try:
            header = Header.parse(draft.header)
        except MalformedHeader as error:
            return malformed(error)
        if len(header.get_all("received")) > MOST_HOPS:
            return refusals.LOOP
        if not self._reception.has_room_for(len(header.raw) + whole.body.size, whole.arrival.at):
            return refusals.TOO_MANY
        trace = received_field(
            self._hop(),
            queue_id=spell(whole.id),
            now=whole.arrival.at,
            recipient=recipients[0].address if len(recipients) == 1 else None,
            smtputf8=draft.sender.smtputf8,
        )
        await self._reception.keeping.mail(
            draft.sender,
            recipients,
            header,
            whole.body,
            id=whole.id,
            trace=trace,
            arrival=whole.arrival,
        )
        draft.spool = None  # its file belongs to the queue now
        return None

    def _hop(self) -> Hop:
        hello = self._machine.hello
        return Hop(
            hostname=self._listening.terms.hostname,
            helo=self._helo,
            peer=self._peer,
            extended=hello is None or hello.extended,
            tls=self._tls,
        )

    def _drop(self) -> None:
        self._places = []
        super()._drop()

    ANSWERS = {  # noqa: RUF012 (declared where it is read)
        **Conversation.ANSWERS,
        Mail: _mail,
        Rcpt: _rcpt,
        Data: _data,
        EndOfContent: _end,
    }


def _read(
    draft: Draft, queue_id: QueueId, bodies: BodyStore
) -> tuple[SmallBody | StoredBody, Comeback]:
    """Finish a message and read as much of it as a notice may have.  Blocks."""
    body = draft.end().finish(queue_id)
    if isinstance(body, SmallBody):
        beginning = body.data
    else:
        try:
            with bodies.path(body.name).open("rb") as file:
                beginning = file.read(LARGEST_NOTICE)
        except OSError as error:
            raise StorageUnavailable(str(error)) from error
    return body, read_comeback(draft.header + beginning)
