"""The log: what the server does, and every journal entry, as lines on standard error.

On a terminal the lines are for people, coloured; elsewhere each line is one JSON object with
`at`, `level`, `event` and the facts.  `open_log` makes a `Log` for this process; give its
`entries` to the committer, which calls it after each commit with the batch.

Promises: one line per fact and one write per batch; whatever a stranger sent (control
characters, terminal sequences, text that runs backwards) is escaped and cut at `LONGEST`
characters; a log that cannot be written never stops the mail.
"""

from __future__ import annotations

import json
import logging
import math
import os
import stat
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import Any, Final

import structlog

from postwicket.core.clock import Clock
from postwicket.core.entry import Entry, Finding, Refused, Settled
from postwicket.core.queue_id import spell

LONGEST: Final = 500  # characters of one value: a journal line is to be read, not unpacked
LONGEST_TRACEBACK: Final = 8000
ATOMIC: Final = 4096  # Linux, pipe(7), PIPE_BUF: shorter writes of several processes never mix
LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_TROUBLE: Final = frozenset({"failed", "expired", "uncertain"})
_OBJECTIONS: Final[frozenset[type[Entry]]] = frozenset({Refused, Finding})

Write = Callable[[bytes], None]


def open_log(
    format: str = "auto",
    level: str = "info",
    *,
    descriptor: int = 2,
    clock: Clock = time.time,
) -> Log:
    """Return a log that writes to the descriptor.

    `format` is "human", "json" or "auto" (human on a terminal); `level` a key of `LEVELS`.
    """
    human = format == "human" or (format == "auto" and os.isatty(descriptor))
    colours = human and os.isatty(descriptor) and not os.environ.get("NO_COLOR")
    return Log(_writer(descriptor), human=human, colours=colours, level=level, clock=clock)


class Log:
    """Where a process says what it does.  Its methods may be called from any thread."""

    def __init__(
        self,
        write: Write,
        *,
        human: bool = False,
        colours: bool = False,
        level: str = "info",
        clock: Clock = time.time,
    ) -> None:
        self._write = write
        self._threshold = LEVELS[level]
        self._console = structlog.dev.ConsoleRenderer(colors=colours) if human else None
        self._logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            _Lines(write),
            wrapper_class=structlog.make_filtering_bound_logger(self._threshold),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                _Stamp(clock),
                self._render,
            ],
        )

    def info(self, event: str, **facts: object) -> None:
        """Say something that is as it should be."""
        self._logger.info(event, **facts)

    def warning(self, event: str, **facts: object) -> None:
        """Say something that an operator may want to change."""
        self._logger.warning(event, **facts)

    def error(self, event: str, **facts: object) -> None:
        """Say that something failed; `exc_info=True` adds the traceback."""
        self._logger.error(event, **facts)

    def entries(self, entries: Sequence[Entry]) -> None:
        """Write a line for each entry, all of them with one write.  Never raises."""
        render = _json_entry if self._console is None else self._human_entry
        if self._threshold > LEVELS["info"]:
            entries = [entry for entry in entries if LEVELS[_level(entry)] >= self._threshold]
        if entries:
            self._write("".join([render(entry) for entry in entries]).encode("utf-8", "replace"))

    def adopt_standard_logging(self) -> None:
        """Let the libraries (asyncio, uvicorn) speak through this log, from warnings up."""
        logging.basicConfig(handlers=[_Adopted(self)], level=logging.WARNING, force=True)

    def _render(self, _: Any, __: str, event: MutableMapping[str, Any]) -> str:
        at, level, text = event.pop("at"), event.pop("level"), event.pop("event")
        if self._console is not None:
            return self._human(at, level, str(text), event)
        facts = {"at": at, "level": level, "event": _cut(str(text))}
        facts |= {name: _json_value(name, value) for name, value in event.items()}
        return json.dumps(facts) + "\n"

    def _human_entry(self, entry: Entry) -> str:
        facts: dict[str, object] = {}
        if entry.message is not None:
            facts["message"] = spell(entry.message)
        return self._human(_time(entry.at), _level(entry), entry.kind, facts | entry.data())

    def _human(self, at: str, level: str, event: str, facts: MutableMapping[str, Any]) -> str:
        exception = facts.pop("exception", None)
        tamed = {name: _tame(_text(value)) for name, value in facts.items()}
        line = {"timestamp": at[11:19], "level": level, "event": _tame(event), **tamed}
        assert self._console is not None  # noqa: S101 - the callers have looked
        text = self._console(None, "", line)
        if exception:
            shown = str(exception)[-LONGEST_TRACEBACK:].split("\n")
            text += "".join("\n  " + _tame(part) for part in shown)
        return text + "\n"


# --- entries as JSON ----------------------------------------------------------------------
# Written by hand because the committer waits for it: 5 µs an entry.


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is always the same about entries of one class."""

    head: str  # level and event; for settled deliveries the level depends on the state
    keys: tuple[str, ...]
    values: Callable[[Entry], tuple[object, ...]]


_SHAPES: Final[dict[type[Entry], _Shape]] = {}


def _json_entry(entry: Entry) -> str:
    shape = _SHAPES.get(type(entry)) or _shape(type(entry))
    level = f'"level":"{_level(entry)}",' if type(entry) is Settled else ""
    parts = [f'{{"at":"{_time(entry.at)}",{level}{shape.head}']
    if entry.message is not None:
        parts.append(f',"message":"{spell(entry.message)}"')
    for key, value in zip(shape.keys, shape.values(entry), strict=True):
        if type(value) is str:
            if value:
                parts.append(key + encode_basestring_ascii(_cut(value)))
        elif type(value) is int:
            parts.append(f"{key}{value}")
        elif type(value) is float and math.isfinite(value):
            parts.append(f"{key}{round(value, 6)}")
        elif value is not None and value != ():
            parts.append(key + json.dumps(_json_value(key, value)))
    parts.append("}\n")
    return "".join(parts)


def _shape(kind: type[Entry]) -> _Shape:
    names = [field.name for field in fields(kind) if field.name not in {"at", "message"}]
    values = attrgetter(*names) if len(names) > 1 else _values_one_by_one(names)
    keys = tuple(f",{json.dumps(name)}:" for name in names)
    level = "" if kind is Settled else f'"level":"{_level_of(kind)}",'
    shape = _Shape(f'{level}"event":{json.dumps(kind.kind)}', keys, values)
    _SHAPES[kind] = shape
    return shape


def _values_one_by_one(names: Sequence[str]) -> Callable[[Entry], tuple[object, ...]]:
    # attrgetter of a single name would not make a tuple.
    return lambda entry: tuple(getattr(entry, name) for name in names)


def _level(entry: Entry) -> str:
    if isinstance(entry, Settled):
        return "warning" if entry.state in _TROUBLE else "info"
    return _level_of(type(entry))


def _level_of(kind: type[Entry]) -> str:
    return "warning" if kind in _OBJECTIONS else "info"


# --- values -------------------------------------------------------------------------------

_second: tuple[int, str] = (0, "")  # the last whole second, written out


def _time(at: float) -> str:
    global _second  # noqa: PLW0603 - a cache of one: most entries of a batch share the second
    whole = int(at)
    known, text = _second
    if whole != known:
        text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = (whole, text)
    return f"{text}.{int((at - whole) * 1000):03}Z"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def _json_value(name: str, value: object) -> object:
    match value:
        case str():
            return value[-LONGEST_TRACEBACK:] if name == "exception" else _cut(value)
        case bool() | int() | None:
            return value
        case float():
            return round(value, 6) if math.isfinite(value) else None
        case list() | tuple():
            return [_json_value(name, item) for item in value[:100]]
        case _:
            return _cut(str(value))


def _text(value: object) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, tuple | list) else str(value)


def _tame(text: str) -> str:
    r"""Return the text so that a terminal shows it and does nothing else.

    >>> print(_tame("a\x1b[2Jb\r\nc" + chr(0x202E)))
    a\x1b[2Jb\r\nc\u202e
    """
    text = _cut(text)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


# --- where it goes ------------------------------------------------------------------------


class _Stamp:
    """The structlog processor that adds the time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _: Any, __: str, event: Any) -> Any:
        event["at"] = _time(self._clock())
        return event


class _Lines:
    """What structlog calls a logger: it gets finished lines."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def msg(self, line: str) -> None:
        """Write one line."""
        self._write(line.encode("utf-8", "replace"))

    debug = info = warning = error = critical = msg


class _Adopted(logging.Handler):
    """Carries the records of the standard library's logging over to a `Log`."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Say what the record says."""
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        say(record.getMessage(), source=record.name, exc_info=record.exc_info)


def _writer(descriptor: int) -> Write:
    """Return a function that writes everything to the descriptor, or gives up silently.

    A full disk or a reader that went away must not stop the mail.  Into a pipe, which
    several workers share, goes no more at a time than the kernel keeps together.
    """
    try:
        shared = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        shared = False

    def write(data: bytes) -> None:
        try:
            for piece in _pieces(data) if shared else (data,):
                rest = piece
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
        except OSError:
            return

    return write


def _pieces(data: bytes) -> list[bytes]:
    """Split into runs of whole lines, each of at most `ATOMIC` octets if its lines allow."""
    pieces: list[bytes] = []
    start = 0
    while len(data) - start > ATOMIC:
        end = data.rfind(b"\n", start, start + ATOMIC) + 1 or data.find(b"\n", start) + 1
        if end == 0:
            break
        pieces.append(data[start:end])
        start = end
    if start < len(data):
        pieces.append(data[start:])
    return pieces
