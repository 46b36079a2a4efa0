"""The server's half of an SMTP session, without a socket.

Feed it bytes with `receive_data`, ask for the `next_event`, answer questions with `send`, and
write out whatever `data_to_send` returns.  The machine answers nonsense by itself, so the
application only ever sees commands that are legal where they stand.  It asks one question at a
time: until it is answered there is no next event, which is all that PIPELINING (RFC 2920)
needs.  `Content` and `ContentRefused` are no questions: they only tell.  A long pipeline is
answered in portions: while the machine is `behind`, it goes on after `data_to_send`.

What may follow what is in `moves`.  The machine survives any bytes, keeps at most one line of
commands, and closes by itself after `MOST_ERRORS` mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import Final, cast

from postwicket.core.envelope import Body
from postwicket.core.reply import Reply

from . import grammar, replies
from .events import (
    Authenticate,
    Content,
    ContentRefused,
    Data,
    EndOfContent,
    Event,
    Hello,
    Mail,
    Question,
    Quit,
    Rcpt,
    Reset,
    StartTls,
)
from .exchange import Exchange
from .framing import ChunkReader, DotReader
from .incoming import PATIENCE, Incoming
from .moves import ENDS_ALWAYS, MOVES, State, objection
from .receive_buffer import ReceiveBuffer
from .terms import Terms, keywords, offered

LONGEST_LINE: Final = 2048  # octets; RFC 5321 asks for 512, and DSN parameters need more
LONGEST_RESPONSE: Final = 12_288  # octets; RFC 4954, section 4
MOST_ERRORS: Final = 15
MOST_REPLIES: Final = 200  # said at a time; an EHLO is answered with thirty times its octets


class _Nothing(Enum):
    """What reading found when it found nothing to tell."""

    MORE_BYTES = auto()
    GO_ON = auto()


_Found = Event | Reply | _Nothing
_TOLD: Final = (Content, ContentRefused)
MORE_BYTES: Final = _Nothing.MORE_BYTES
GO_ON: Final = _Nothing.GO_ON


class ServerProtocol:
    """One session, from greeting to goodbye."""

    def __init__(self, terms: Terms, *, secure: bool = False) -> None:
        self.terms = terms
        self.state = State.START
        self.secure = secure
        self.signed_in = False
        self.hello: Hello | None = None
        self._question: Question | None = None
        self._next: Question | None = None
        self._mail: Mail | None = None
        self._incoming: Incoming | None = None
        self._exchange: Exchange | None = None
        self._errors = 0
        self._received = ReceiveBuffer()
        self._outgoing: list[bytes] = []

    def greet(self, reply: Reply) -> None:
        """Open the session; anything but a 220 closes it (RFC 5321, section 3.1)."""
        self._say(reply)
        if reply.code != 220:
            self.state = State.CLOSED

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the network.  Nothing happens until `next_event`."""
        if self.state is not State.CLOSED:
            self._received += data

    def next_event(self) -> Event | None:
        """Return the next thing to answer or to take in, or None when more bytes are needed."""
        while self._question is None and self.state is not State.CLOSED and not self.behind:
            found = self._read()
            if found is GO_ON:
                continue
            if found is MORE_BYTES:
                return None
            if isinstance(found, Reply):
                self._object(found)
            elif isinstance(found, _TOLD):
                return found
            elif not isinstance(found, _Nothing):
                self._question = found
                return found
        return None

    def send(self, reply: Reply) -> None:
        """Answer the question.  A positive answer moves the session on, 421 ends it."""
        question, self._question = self._question, None
        if question is None:
            raise RuntimeError("there is nothing to answer")
        kind = type(question)
        if reply.positive or kind in ENDS_ALWAYS:
            self.state = MOVES[self.state][kind]
            self._agreed(question, reply)
        elif isinstance(question, Data) and question.chunking and self._incoming:
            self._incoming.refuse(reply)  # said when the chunk is in
        else:
            self._say(reply)
        if reply.code == 421:
            self.state = State.CLOSED

    def refuse_content(self, reply: Reply) -> None:
        """Take no more of the message that is coming in; `reply` is said at its end."""
        if self._incoming is not None:
            self._incoming.refuse(reply)
        self._next = None

    def tls_started(self) -> None:
        """Forget everything that was said in the clear (RFC 3207, section 4.2)."""
        self.secure = True
        self.state = State.START
        self.hello = None
        self._forget_transaction()
        self._received.clear()

    def close(self, reply: Reply) -> None:
        """End the session from our side, whatever the client was doing."""
        if self.state is not State.CLOSED:
            self._say(reply)
        self.state = State.CLOSED
        self._question = None

    def data_to_send(self) -> bytes:
        """Return the bytes to write now, once; the replies of a pipeline come together."""
        if not self._outgoing:
            return b""
        data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    @property
    def behind(self) -> bool:
        """True when so many replies wait that they have to go out before there are others."""
        return len(self._outgoing) >= MOST_REPLIES

    @property
    def finished(self) -> bool:
        """True when nothing more will be read."""
        return self.state is State.CLOSED

    @property
    def between_messages(self) -> bool:
        """True when the client has no transaction under way."""
        return self.state in {State.START, State.READY} and self._question is None

    # --- what a yes entails -----------------------------------------------------------------

    def _agreed(self, question: Question, reply: Reply) -> None:
        kind = type(question)
        if kind is Mail:
            self._mail = cast("Mail", question)
        elif kind is Data:
            if cast("Data", question).chunking:
                return  # the chunk itself is answered, when it is in
            self._incoming = Incoming(self.terms.size, DotReader())
        elif kind in _ENDS_TRANSACTION:
            self._forget_transaction()
            self._errors = 0 if reply.positive else self._errors
        elif isinstance(question, Hello):
            self.hello = question
            self._forget_transaction()
            if question.extended:
                reply = _extended(reply.text, self.terms, secure=self.secure)
        elif kind is Authenticate:
            self.signed_in = True
        self._outgoing.append(reply.wire)

    def _say(self, reply: Reply) -> None:
        self._outgoing.append(reply.wire)

    def _object(self, reply: Reply) -> None:
        """Say something of our own, and count it when it is a complaint."""
        self._say(reply)
        if not reply.positive:
            self._errors += 1
            if self._errors > MOST_ERRORS:
                self.close(replies.TOO_MANY_ERRORS)

    def _forget_transaction(self) -> None:
        self._mail = None
        self._incoming = None

    # --- reading ----------------------------------------------------------------------------

    def _read(self) -> _Found:
        if self._next is not None:
            found, self._next = self._next, None
            return found
        if self._incoming is not None and self._incoming.reading:
            return self._read_content(self._incoming)
        if self._exchange is not None:
            return self._read_response(self._exchange)
        return self._read_command()

    def _read_command(self) -> _Found:
        line = self._received.line(LONGEST_RESPONSE)
        if line is None:
            return MORE_BYTES
        if isinstance(line, Reply):
            return line
        if len(line) > LONGEST_LINE and line[:5].upper() != b"AUTH ":
            return replies.TOO_LONG
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return replies.NOT_TEXT
        if not (text.isprintable() or text.replace("\t", " ").isprintable()):
            return replies.NOT_TEXT
        verb, _, argument = text.partition(" ")
        verb = grammar.upper(verb)
        command = _COMMANDS.get(verb)
        if command is not None:
            return command(self, argument)
        if verb not in _WEB_VERBS:
            return replies.UNKNOWN_COMMAND
        self.close(replies.HTTP)
        return GO_ON

    def _read_response(self, exchange: Exchange) -> _Found:
        line = self._received.line(LONGEST_RESPONSE)
        if line is None:
            return MORE_BYTES
        return self._exchanged(line if isinstance(line, Reply) else exchange.respond(line))

    def _exchanged(self, found: Reply | Authenticate) -> Reply | Authenticate:
        """Stay in the exchange only while we are the ones who asked."""
        if not (isinstance(found, Reply) and found.code == 334):
            self._exchange = None
        return found

    def _read_content(self, incoming: Incoming) -> _Found:
        data = self._received.everything()
        if not data and incoming.waiting:
            return MORE_BYTES
        content, rest = incoming.read(data)
        if incoming.fatal and incoming.refusal:
            self.close(incoming.refusal)
            return ContentRefused(incoming.refusal)
        if not incoming.reading:
            self._received += rest
            self._end_of_frame(incoming)
        if incoming.refusal and not incoming.told:
            incoming.told = True
            return ContentRefused(incoming.refusal)
        return Content(content) if content else GO_ON

    def _end_of_frame(self, incoming: Incoming) -> None:
        """Go on after a whole message, or after one of its chunks."""
        if incoming.refusal:
            self._say(incoming.refusal)
            # A refused first chunk ends the transaction as well: the next one is no message.
            if self.state in {State.RECIPIENTS, State.CONTENT}:
                self.state = State.READY
                self._mail = None
            self._incoming = None
        elif incoming.chunk is not None:
            self._say(replies.chunk_taken(incoming.chunk))
        else:
            self._next = EndOfContent(incoming.size)

    # --- commands ---------------------------------------------------------------------------

    def _objection(self, kind: type[Question]) -> Reply | None:
        return objection(
            kind, self.state, self.terms, secure=self.secure, signed_in=self.signed_in
        )

    def _ehlo(self, argument: str) -> _Found:
        return grammar.parse_hello(argument, extended=True)

    def _helo(self, argument: str) -> _Found:
        return grammar.parse_hello(argument, extended=False)

    def _mail_from(self, argument: str) -> _Found:
        terms = self.terms
        return self._objection(Mail) or grammar.parse_mail(
            argument, size_limit=terms.size, offered=offered(terms, secure=self.secure)
        )

    def _rcpt_to(self, argument: str) -> _Found:
        refused = self._objection(Rcpt)
        if refused or self._mail is None:
            return refused or replies.MAIL_FIRST
        smtputf8 = self._mail.sender.smtputf8
        return grammar.parse_rcpt(argument, smtputf8=smtputf8, hostname=self.terms.hostname)

    def _data(self, argument: str) -> _Found:
        if argument.strip():
            return replies.NO_PARAMETERS
        refused = self._objection(Data)
        if refused is None and self._mail and self._mail.sender.body is Body.BINARY:
            return replies.BINARY_NEEDS_BDAT
        return refused or Data()

    def _bdat(self, argument: str) -> _Found:
        chunk = grammar.parse_bdat(argument)
        if chunk is None or chunk[0] > self.terms.size + PATIENCE:
            # How much content follows is unknown or absurd: what comes cannot be trusted.
            self.close(
                replies.BDAT_SYNTAX if chunk is None else replies.too_large(self.terms.size)
            )
            return GO_ON
        octets, last = chunk
        incoming = self._incoming
        if self.state is not State.CONTENT or incoming is None:
            refused = self._objection(Data)
            binary = self._mail is not None and self._mail.sender.body is Body.BINARY
            incoming = Incoming(self.terms.size, ChunkReader(binary=binary))
            incoming.begin_chunk(octets, last=last)
            self._incoming = incoming
            if refused is None:
                return Data(chunking=True)
            incoming.refuse(refused)
        else:
            incoming.begin_chunk(octets, last=last)
        return GO_ON

    def _rset(self, argument: str) -> _Found:
        return replies.NO_PARAMETERS if argument.strip() else Reset()

    def _quit(self, argument: str) -> _Found:
        return replies.NO_PARAMETERS if argument.strip() else Quit()

    def _noop(self, _: str) -> _Found:
        return replies.OK

    def _help(self, _: str) -> _Found:
        return replies.HELP

    def _vrfy(self, _: str) -> _Found:
        return replies.TRY_IT

    def _expn(self, _: str) -> _Found:
        return replies.NOT_OFFERED

    def _starttls(self, argument: str) -> _Found:
        if argument.strip():
            return replies.STARTTLS_PARAMETERS
        if self.secure:
            return replies.TLS_ACTIVE
        if not self.terms.starttls:
            return replies.TLS_NOT_OFFERED
        refused = self._objection(StartTls)
        if refused is None and len(self._received):
            # Whoever sits between could have put it there (CVE-2011-0411).
            self._received.clear()
            return replies.STARTTLS_PIPELINED
        return refused or StartTls()

    def _auth(self, argument: str) -> _Found:
        words = argument.split()
        if not self.terms.mechanisms:
            return replies.AUTH_NOT_OFFERED
        if self.signed_in:
            return replies.ALREADY_SIGNED_IN
        refused = self._objection(Authenticate)
        if refused or not 1 <= len(words) <= 2:
            return refused or replies.AUTH_SYNTAX
        mechanism = grammar.upper(words[0])
        if mechanism not in self.terms.mechanisms:
            return replies.UNKNOWN_MECHANISM
        self._exchange = Exchange(mechanism)
        return self._exchanged(self._exchange.begin(words[1] if len(words) == 2 else None))


@lru_cache(maxsize=256)
def _extended(greeting: str, terms: Terms, *, secure: bool) -> Reply:
    """Return the whole reply to EHLO; clients come again, and ask twice when they use STARTTLS."""
    return Reply(250, None, f"{greeting}\n{keywords(terms, secure=secure)}")


_ENDS_TRANSACTION: Final = frozenset({EndOfContent, Reset})
_WEB_VERBS: Final = frozenset(
    ("GET", "POST", "HEAD", "PUT", "PATCH", "OPTIONS", "CONNECT", "DELETE", "TRACE", "PRI")
)

_COMMANDS: Final[Mapping[str, Callable[[ServerProtocol, str], _Found]]] = {
    verb: getattr(ServerProtocol, f"_{method}")
    for verb, method in {
        "EHLO": "ehlo",
        "HELO": "helo",
        "STARTTLS": "starttls",
        "AUTH": "auth",
        "MAIL": "mail_from",
        "RCPT": "rcpt_to",
        "DATA": "data",
        "BDAT": "bdat",
        "RSET": "rset",
        "NOOP": "noop",
        "VRFY": "vrfy",
        "EXPN": "expn",
        "HELP": "help",
        "QUIT": "quit",
    }.items()
}
