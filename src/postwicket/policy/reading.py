"""What a peer's words mean: the entries of the catalogue, and which of them an answer matches.

The words are hostile text of any length, so an entry names plain phrases, no regular expressions:
`...` in a phrase stands for anything, and finding its parts in order takes one walk through a
text that is cut off at `LONGEST_TEXT`.  Among the entries that match, one of the provider that
is known to speak counts for more than a general one, then clear words for more than vague ones,
then the longest phrase.

The entries themselves are data: `postwicket.diagnosis` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.reply import Reply
from postwicket.smtp.client.answer import Answer, Stage

from .scope import Scope

LONGEST_TEXT: Final = 2000  # characters of a reply that are read
GAP: Final = "..."
_STATUS: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")


class Permanence(Enum):
    """Whether the same mail may be taken another time."""

    LATER = "later"
    NEVER = "never"
    AS_CODED = "as coded"


class Who(Enum):
    """Whose move it is."""

    PROGRAM = "program"  # the settings or the code of what hands mail in
    SENDER = "sender"  # the person or the account behind it
    ADMINISTRATOR = "administrator"  # of this server
    PROVIDER = "provider"  # who runs the server that said it
    RECIPIENT = "recipient"
    NETWORK = "network"  # who runs the network between
    WAIT = "wait"  # nobody: it is tried again


@dataclass(frozen=True, slots=True)
class Status:
    """An enhanced status to look for; `kind` 0 is any class, `last` ends a range of details."""

    kind: int
    subject: int
    detail: int
    last: int

    def covers(self, status: tuple[int, int, int]) -> bool:
        """Say whether a status is meant.

        >>> Status(5, 7, 606, 649).covers((5, 7, 610))
        True
        """
        kind, subject, detail = status
        return (
            (self.kind in {0, kind})
            and subject == self.subject
            and (self.detail <= detail <= self.last)
        )


@dataclass(frozen=True, slots=True)
class Sign:
    """What an entry looks like: all of what is given has to be so; of each list, one.

    `phrases` are in lower case, in parts that have to follow one another.
    """

    codes: frozenset[int] = frozenset()
    statuses: tuple[Status, ...] = ()
    stages: frozenset[Stage] = frozenset()
    phrases: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A reply as it was seen, or as it is documented, and the stage it came at."""

    reply: str
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One entry of the catalogue.

    `scope` None leaves it to the stage.  `slow_down` says that the peer wants less mail from us;
    `pause` is the seconds to wait at least, 0 for the usual schedule; `grey` marks greylisting,
    which a first retry passes; `vague` words count for less than any others.  `meaning` and
    `fix` are sentences for people; `source` and `date` (YYYY-MM-DD) say where the words were
    found.
    """

    id: str
    provider: str
    sign: Sign
    cause: Cause
    permanence: Permanence
    who: Who
    meaning: str
    fix: str
    scope: Scope | None = None
    slow_down: bool = False
    pause: float = 0.0
    grey: bool = False
    vague: bool = False
    source: str = ""
    date: str = ""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who speaks: known by the names of its hosts, or by marks in its words."""

    name: str
    shown: str
    hosts: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    def speaks(self, text: str, remote: str) -> bool:
        """Say whether this provider said the text; `remote` is `host[address]:port` or ""."""
        host = remote.partition("[")[0].partition(":")[0].lower().rstrip(".")
        return any(host == name or host.endswith(f".{name}") for name in self.hosts) or any(
            mark in text for mark in self.marks
        )


class Catalogue:
    """Entries, ready to be asked."""

    def __init__(self, readings: Iterable[Reading], providers: Sequence[Provider] = ()) -> None:
        self.readings = tuple(readings)
        self.providers = {provider.name: provider for provider in providers}
        self._by_code: dict[int, list[Reading]] = {}
        self._any_code = [reading for reading in self.readings if not reading.sign.codes]
        for reading in self.readings:
            for code in reading.sign.codes:
                self._by_code.setdefault(code, []).append(reading)

    def read(self, answer: Answer, remote: str = "") -> Reading | None:
        """Return what a peer's refusal means, or None where no entry fits.

        What we said ourselves, and trouble without a reply, are not in the catalogue.
        """
        reply = answer.reply
        if reply is None or reply.positive or answer.ours:
            return None
        text = normalised(reply.text)
        heard = _Heard(reply, answer.stage, text, self._speakers(text, remote))
        best: Reading | None = None
        most = _NO_FIT
        for reading in (*self._by_code.get(reply.code, ()), *self._any_code):
            fit = heard.fit(reading)
            if fit > most:
                best, most = reading, fit
        return best

    def _speakers(self, text: str, remote: str) -> frozenset[str]:
        return frozenset(
            name for name, provider in self.providers.items() if provider.speaks(text, remote)
        )


# How well an entry fits: provider, clearness and length of the phrase, status, code, stage.
_Fit = tuple[int, int, int, int, int, int]
_NO_FIT: Final[_Fit] = (-1, 0, 0, 0, 0, 0)


class _Heard:
    """One reply, taken apart once for all entries."""

    __slots__ = ("_code", "_speakers", "_stage", "_status", "_text")

    def __init__(self, reply: Reply, stage: Stage, text: str, speakers: frozenset[str]) -> None:
        self._code = reply.code
        self._status = status_of(reply)
        self._stage = stage
        self._text = text
        self._speakers = speakers

    def fit(self, reading: Reading) -> _Fit:
        """Return how well an entry fits."""
        sign = reading.sign
        if sign.stages and self._stage not in sign.stages:
            return _NO_FIT
        if sign.statuses and (
            self._status is None
            or not any(status.covers(self._status) for status in sign.statuses)
        ):
            return _NO_FIT
        speaks = self._speaks(reading)
        if speaks < 0:
            return _NO_FIT
        length = 0
        if sign.phrases:
            length = max(_found(parts, self._text) for parts in sign.phrases)
            if not length:
                return _NO_FIT
        clear = (1 if reading.vague else 2) if sign.phrases else 0
        return speaks, clear, length, len(sign.statuses), bool(sign.codes), bool(sign.stages)

    def _speaks(self, reading: Reading) -> int:
        """Return 2 for who speaks, 1 for anybody, 0 for a guess, -1 for somebody else."""
        if not reading.provider:
            return 1
        if reading.provider in self._speakers:
            return 2
        # Where nobody is recognised, words may still be a provider's own; status alone may not.
        guess = not self._speakers and bool(reading.sign.phrases)
        return 0 if guess else -1


def _found(parts: tuple[str, ...], text: str) -> int:
    """Return the length of a phrase whose parts follow one another in the text, else 0."""
    at = 0
    for part in parts:
        start = text.find(part, at)
        if start < 0:
            return 0
        at = start + len(part)
    return sum(map(len, parts))


def normalised(text: str) -> str:
    r"""Return the text as phrases are compared with it: short, lower case, single spaces.

    >>> normalised("Greylisted,\n  try  again")
    'greylisted, try again'
    """
    return " ".join(text[:LONGEST_TEXT].lower().replace("\u2019", "'").split())


def status_of(reply: Reply) -> tuple[int, int, int] | None:
    """Return the enhanced status with its class, also where its class is not the code's.

    Google prints `421 5.7.32`; `parse_reply` leaves such a status in the text.
    """
    if reply.status is not None:
        return reply.code // 100, *reply.status
    match = _STATUS.match(reply.text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
