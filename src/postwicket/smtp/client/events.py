"""What the client machine tells the one who carries its bytes."""

from __future__ import annotations

from dataclasses import dataclass

from .answer import Answer


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is set up: mail may be sent."""


@dataclass(frozen=True, slots=True)
class UpgradeTls:
    """The peer awaits a TLS handshake now; report its end with `secured`."""


@dataclass(frozen=True, slots=True)
class ContentWanted:
    """Give the content in pieces, from the start, until all is given or `streaming` is false."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One message is done: an answer for each of its recipients, in order."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over, for this reason; close the connection.  Always the last event."""

    answer: Answer


ClientEvent = Ready | UpgradeTls | ContentWanted | Finished | Ended
