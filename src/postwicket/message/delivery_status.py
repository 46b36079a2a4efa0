"""Delivery-status notices of other servers (RFC 3464, RFC 6533 for UTF-8), as they come.

`read_status` takes the text of the part for programs and returns what it says of each
recipient.  Blocks without their empty line, comments behind a status, brackets around an
address and unknown types are all met in practice, and all are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .parts import Fields, first, read_fields
from .report import Action

MOST_RECIPIENTS: Final = 200
LONGEST_DIAGNOSTIC: Final = 1000  # characters

_ENHANCED: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_UTF8_CHARACTER: Final = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")  # RFC 6533, section 3
_XTEXT: Final = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461, section 4
_BLANK: Final = re.compile(r"\n[ \t]*\n")
_ACTIONS: Final = {action.value: action for action in Action}
# Met instead of the five words of RFC 3464, section 2.3.3.
_OTHER_ACTIONS: Final = {
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "deferred": Action.DELAYED,
    "delayed-delivery": Action.DELAYED,
    "deliverable": Action.DELIVERED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What a notice says of one recipient.

    `final` and `original` are addresses as text, "" where none was given; `status` is an
    enhanced status or ""; `diagnostic` what the last server said, type and line ends removed;
    `remote` is that server's name.
    """

    action: Action
    final: str = ""
    original: str = ""
    status: str = ""
    diagnostic: str = ""
    remote: str = ""

    @property
    def permanent(self) -> bool:
        """True when the status, or without one the diagnostic, is of class 5."""
        if self.status:
            return self.status.startswith("5")
        return self.diagnostic[:1] == "5"


def read_status(text: str) -> tuple[Fate, ...]:
    r"""Return what the text of a delivery-status part says of recipients, if anything.

    >>> fate, = read_status("Reporting-MTA: dns; mx.b.example\n\n"
    ...     "Final-Recipient: rfc822; <bob@b.example>\nAction: failed\nStatus: 5.1.1 (unknown)\n")
    >>> fate.final, fate.status
    ('bob@b.example', '5.1.1')
    """
    fates = []
    for block in _BLANK.split(text.strip("\n")):
        for fields in _recipients(read_fields(block)):
            fate = _fate(fields)
            if fate is not None:
                fates.append(fate)
        if len(fates) >= MOST_RECIPIENTS:
            break
    return tuple(fates[:MOST_RECIPIENTS])


def _recipients(fields: Fields) -> Iterable[Fields]:
    """Cut a block where a field of one recipient comes a second time."""
    begin = 0
    seen: set[str] = set()
    for place, (name, _) in enumerate(fields):
        if name in {"final-recipient", "action", "status"}:
            if name in seen:
                # What stands before it belongs to it if it is its other address.
                end = place - (place > 0 and fields[place - 1][0] == "original-recipient")
                yield fields[begin:end]
                begin, seen = end, set()
            seen.add(name)
    yield fields[begin:]


def _fate(fields: Fields) -> Fate | None:
    final = _address(first(fields, "final-recipient"))
    original = _address(first(fields, "original-recipient"), xtext=True)
    word = first(fields, "action").partition("(")[0].strip().lower()
    status = _status(first(fields, "status"))
    diagnostic = _untyped(first(fields, "diagnostic-code"))
    if not (final or original) or not (word or status):
        return None
    if not status or status.endswith(".0.0"):
        found = _ENHANCED.search(diagnostic)
        status = found[0] if found and (not status or found[1] == status[0]) else status
    action = _ACTIONS.get(word) or _OTHER_ACTIONS.get(word) or _by_class(status)
    remote = _untyped(first(fields, "remote-mta")).partition(" ")[0].strip("[]().;")
    return Fate(
        action=action,
        final=final,
        original=original,
        status=status,
        diagnostic=diagnostic,
        remote=remote[:255],
    )


def _by_class(status: str) -> Action:
    return {"2": Action.DELIVERED, "4": Action.DELAYED}.get(status[:1], Action.FAILED)


def _status(value: str) -> str:
    found = _ENHANCED.search(value)
    return found[0] if found else ""


def _untyped(value: str) -> str:
    """Return the value behind `smtp;`, as one printable line."""
    kind, semicolon, rest = value.partition(";")
    plain = rest if semicolon and re.fullmatch(r"\s*[A-Za-z0-9_-]{1,40}\s*", kind) else value
    return one_line(plain)[:LONGEST_DIAGNOSTIC]


def _address(value: str, *, xtext: bool = False) -> str:
    kind, semicolon, rest = value.partition(";")
    plain = (rest if semicolon else kind).strip()
    plain = plain.partition(" (")[0].strip().strip("<>").strip()
    if kind.strip().lower() == "utf-8":
        plain = _UTF8_CHARACTER.sub(_character, plain)
    if xtext and "@" not in plain:
        plain = _XTEXT.sub(_character, plain)
    return one_line(plain)[:320]


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "?"


def one_line(text: str) -> str:
    """Return text with single spaces, and a question mark for what cannot be printed."""
    joined = " ".join(text.split())
    return "".join(char if char.isprintable() else "?" for char in joined)
