"""The options of sendmail(8), as programs give them: clustered, joined or apart.

>>> given = read(["-ti", "-fann@example.org", "-F", "Ann", "--", "bob@example.com"])
>>> given.from_header, given.ignore_dots, given.sender, given.name, given.recipients
(True, True, 'ann@example.org', 'Ann', ('bob@example.com',))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from . import status

_WITH_VALUE: Final = "ABCDFLNOPRVXdfhopr"  # `b`, `e` and `q` only take what is joined to them
_WITHOUT_VALUE: Final = "GUimnstvx"
_REFUSED_MODES: Final = {
    "s": "SMTP on standard input is not offered; connect to the server's port instead",
    "d": "this is not a daemon; run `postwicket serve`",
    "D": "this is not a daemon; run `postwicket serve`",
    "v": "addresses are not verified here; send a message and look with `postwicket trace`",
    "t": "there is no address test mode; see `postwicket config check`",
    "h": "there are no host status files; see `postwicket queue list`",
    "H": "there are no host status files; see `postwicket queue list`",
}
_NOTIFY: Final = frozenset({"NEVER", "SUCCESS", "FAILURE", "DELAY"})


@dataclass(slots=True)
class Arguments:
    """What the caller asked for; `mode` is m (mail), p (list), i (nothing) or q (flush)."""

    mode: str = "m"
    from_header: bool = False
    ignore_dots: bool = False
    verbose: bool = False
    sender: str | None = None
    name: str = ""
    notify: str = ""
    ret: str = ""
    envid: str = ""
    body: str = ""
    config: str | None = None
    recipients: tuple[str, ...] = field(default=())


def read(words: Sequence[str]) -> Arguments:
    """Return what the words after the program's name mean; raise `Failed` with USAGE."""
    given = Arguments()
    rest = list(words)
    recipients: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            recipients += rest
            break
        if word.startswith("--"):
            _long(given, word, rest)
        elif word.startswith("-") and len(word) > 1:
            _cluster(given, word[1:], rest)
        else:
            recipients.append(word)
    given.recipients = tuple(recipients)
    return given


def _long(given: Arguments, word: str, rest: list[str]) -> None:
    name, equals, value = word.partition("=")
    if name != "--config":
        raise _unknown(word)
    if not equals and not rest:
        raise status.Failed(status.USAGE, "--config needs a file; write --config FILE")
    given.config = value if equals else rest.pop(0)


def _cluster(given: Arguments, letters: str, rest: list[str]) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in "beq":
            _joined(given, letter, letters)
            return
        if letter in _WITH_VALUE:
            if not letters and not rest:
                raise status.Failed(status.USAGE, f"-{letter} needs a value; write it behind it")
            _value(given, letter, letters or rest.pop(0))
            return
        if letter not in _WITHOUT_VALUE:
            raise _unknown(f"-{letter}")
        _flag(given, letter)


def _joined(given: Arguments, letter: str, text: str) -> None:
    if letter == "q":
        given.mode = "q"
    if letter != "b":
        return
    if text in _REFUSED_MODES:
        raise status.Failed(status.USAGE, f"-b{text}: {_REFUSED_MODES[text]}")
    if text not in {"m", "p", "i"}:
        raise _unknown(f"-b{text}")
    given.mode = text


def _flag(given: Arguments, letter: str) -> None:
    if letter == "t":
        given.from_header = True
    elif letter == "i":
        given.ignore_dots = True
    elif letter == "v":
        given.verbose = True


def _value(given: Arguments, letter: str, value: str) -> None:
    if letter in "fr":
        given.sender = value
    elif letter == "F":
        given.name = value
    elif letter == "C":
        given.config = value
    elif letter == "V":
        given.envid = value
    elif letter == "N":
        given.notify = _notify(value)
    elif letter == "R":
        given.ret = _one_of("-R", value.upper(), {"FULL", "HDRS"})
    elif letter == "B":
        given.body = _one_of("-B", value.upper(), {"7BIT", "8BITMIME"})
    elif letter in "oO":
        # Only -oi and -O IgnoreDots change what is sent; the rest tunes a daemon.
        name = value.partition("=")[0].lower()
        given.ignore_dots = given.ignore_dots or value == "i" or name == "ignoredots"


def _notify(text: str) -> str:
    words = [word.strip().upper() for word in text.split(",")]
    if not set(words) <= _NOTIFY or ("NEVER" in words and len(words) > 1):
        raise status.Failed(
            status.USAGE, f"-N {text}: write never, or some of success,failure,delay"
        )
    return ",".join(words)


def _one_of(option: str, value: str, allowed: set[str]) -> str:
    if value not in allowed:
        choice = " or ".join(sorted(allowed))
        raise status.Failed(status.USAGE, f"{option} {value}: write {choice}")
    return value


def _unknown(word: str) -> status.Failed:
    return status.Failed(
        status.USAGE, f"the option {word} is unknown; known are -t -i -f -F -N -R -V -B -q -bp -v"
    )
