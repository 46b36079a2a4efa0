"""What a message that came back to one of our return paths is: a bounce, a complaint, or neither.

`read_comeback` takes any bytes.  The standard forms are looked for first (RFC 3464, RFC 5965),
then the words of servers that have their own, and what is left is told apart from the answers
of vacation programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .bounce_text import LONGEST_TEXT, read_bounce
from .delivery_status import Fate, one_line, read_status
from .feedback import Report, is_old_complaint, old_complaint, read_feedback
from .parts import Fields, Part, cut, first, read_fields, split_header

_STATUS_KINDS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED_KINDS: Final = frozenset(
    {
        "message/rfc822",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global",
        "message/global-headers",
    }
)
_ADDRESS: Final = re.compile(r"[^\s<>,;\"]{1,64}@[A-Za-z0-9.-]{1,255}")
_ROBOTS: Final = re.compile(
    r"\b(?:mailer-daemon|postmaster|mail delivery (?:system|subsystem)|bounce)", re.IGNORECASE
)
_AWAY: Final = re.compile(
    r"out of (?:the )?office|automatic reply|auto(?:matic)?[- ]?(?:reply|response)|vacation"
    r"|abwesenheit|automatische antwort|absence|r.ponse automatique|fuera de la oficina",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comeback:
    """What was read.  `returned` are the fields of our message, as far as they came back.

    At most one of `fates` (a bounce or another notice) and `feedback` is there; `automatic` is
    true for the answer of a vacation program.  `subject` is one line for people.
    """

    fates: tuple[Fate, ...] = ()
    feedback: Report | None = None
    automatic: bool = False
    returned: Fields = ()
    returned_header: bytes = b""
    subject: str = ""

    @property
    def is_report(self) -> bool:
        """True when it says something of a delivery."""
        return bool(self.fates) or self.feedback is not None


def read_comeback(raw: bytes) -> Comeback:
    """Read a whole message, header and body; never raises."""
    head, _ = split_header(raw)
    fields = read_fields(head.decode("utf-8", "replace"))
    parts = cut(raw)
    returned = _returned(parts)
    inside = read_fields(returned.decode("utf-8", "replace"))
    feedback = _feedback(parts, fields, inside)
    fates = () if feedback else _fates(parts, fields)
    return Comeback(
        fates=fates,
        feedback=feedback,
        automatic=not fates and feedback is None and _is_automatic(fields),
        returned=inside,
        returned_header=returned,
        subject=one_line(first(fields, "subject"))[:200],
    )


def _feedback(parts: tuple[Part, ...], fields: Fields, returned: Fields) -> Report | None:
    for part in parts:
        if part.kind == "message/feedback-report":
            return read_feedback(part.text)
    return old_complaint(returned) if is_old_complaint(fields, returned) else None


def _fates(parts: tuple[Part, ...], fields: Fields) -> tuple[Fate, ...]:
    for part in parts:
        if part.kind in _STATUS_KINDS:
            fates = read_status(part.text)
            if fates:
                return fates
    failed = tuple(dict.fromkeys(_ADDRESS.findall(first(fields, "x-failed-recipients")[:20_000])))
    if not failed and not _from_a_robot(fields):
        return ()
    text = next((part.text for part in parts if part.kind == "text/plain"), "")
    return read_bounce(text[:LONGEST_TEXT], failed=failed)


def _from_a_robot(fields: Fields) -> bool:
    """Say whether a server wrote this: what people quote must not count as a bounce."""
    who = f"{first(fields, 'from')} {first(fields, 'sender')}"
    return bool(_ROBOTS.search(who)) or first(fields, "return-path").strip() == "<>"


def _is_automatic(fields: Fields) -> bool:
    """Say whether a program answered in somebody's place (RFC 3834, section 5)."""
    submitted = first(fields, "auto-submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"}:
        return True
    names = {name for name, _ in fields}
    if names & {"x-autoreply", "x-autorespond", "x-auto-response-suppress", "x-vacation"}:
        return True
    if first(fields, "precedence").lower() in {"auto_reply", "auto-reply"}:
        return True
    return bool(_AWAY.search(first(fields, "subject")))


_BEGINS: Final = re.compile(
    # Bounded: of a line that only has dashes, every way to cut it would be tried.
    rb"^--[^\r\n]{0,150}?(?:copy of|Original message|header)[^\r\n]{0,150}\r?\n(?:\r?\n)?"
    rb"(?=[!-9;-~]{1,80}:)",
    re.MULTILINE | re.IGNORECASE,
)


def _returned(parts: tuple[Part, ...]) -> bytes:
    """Return the header of our message as it came back, or nothing."""
    for part in parts:
        if part.kind in _RETURNED_KINDS:
            head, _ = split_header(part.content.lstrip(b"\r\n"))
            return head + b"\r\n"
    for part in parts:
        if part.kind == "text/plain":
            begin = _BEGINS.search(part.content[: 4 * LONGEST_TEXT])
            if begin:
                head, _ = split_header(part.content[begin.end() :])
                return head + b"\r\n"
    return b""
