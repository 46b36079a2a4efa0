"""What may follow what in a session, and what must come first: all of it is in this file.

The table is total.  It says where a *yes* leads; after a *no* the session stays where it is,
save that a transaction ends with its message, accepted or not (`ENDS_ALWAYS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final

from postwicket.core.reply import Reply

from . import replies
from .events import (
    Authenticate,
    Data,
    EndOfContent,
    Hello,
    Mail,
    Question,
    Quit,
    Rcpt,
    Reset,
    StartTls,
)
from .terms import Terms


class State(IntEnum):
    """Where in the conversation we are; integers, because they are looked up at every command."""

    START = auto()
    READY = auto()
    SENDER = auto()
    RECIPIENTS = auto()
    CONTENT = auto()
    CLOSED = auto()


MOVES: Final[Mapping[State, Mapping[type[Question], State]]] = {
    State.START: {
        Hello: State.READY,
        StartTls: State.START,
        Reset: State.START,
        Quit: State.CLOSED,
    },
    State.READY: {
        Hello: State.READY,
        StartTls: State.START,
        Authenticate: State.READY,
        Mail: State.SENDER,
        Reset: State.READY,
        Quit: State.CLOSED,
    },
    State.SENDER: {
        Hello: State.READY,
        Rcpt: State.RECIPIENTS,
        Reset: State.READY,
        Quit: State.CLOSED,
    },
    State.RECIPIENTS: {
        Hello: State.READY,
        Rcpt: State.RECIPIENTS,
        Data: State.CONTENT,
        Reset: State.READY,
        Quit: State.CLOSED,
    },
    # Between the chunks of BDAT (RFC 3030) a client may change its mind.
    State.CONTENT: {
        Hello: State.READY,
        EndOfContent: State.READY,
        Reset: State.READY,
        Quit: State.CLOSED,
    },
    State.CLOSED: {},
}

ENDS_ALWAYS: Final = frozenset({EndOfContent})

_MISSING: Final[Mapping[tuple[State, type[Question]], Reply]] = {
    (State.READY, Rcpt): replies.MAIL_FIRST,
    (State.READY, Data): replies.MAIL_FIRST,
    (State.SENDER, Data): replies.RCPT_FIRST,
    (State.CONTENT, Data): replies.NO_DATA_AFTER_BDAT,
}


def objection(
    kind: type[Question], state: State, terms: Terms, *, secure: bool, signed_in: bool
) -> Reply | None:
    """Say why a command of this kind may not come now, or None.

    Encryption comes before all else, so that a client without it learns that first.
    """
    if kind in {Authenticate, Mail} and terms.tls_first and not secure:
        return replies.STARTTLS_FIRST
    if state is State.START and kind not in MOVES[state]:
        return replies.HELLO_FIRST
    if kind is Mail and terms.sign_in_first and not signed_in:
        return replies.AUTHENTICATION_REQUIRED
    if kind in MOVES[state]:
        return None
    return _MISSING.get((state, kind), replies.WRONG_ORDER)
