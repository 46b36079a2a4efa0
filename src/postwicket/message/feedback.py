"""Feedback reports: somebody pressed the spam button (RFC 5965), or a forerunner of the format.

Providers hide who it was.  What is left to find the message by is collected: the return path and
the fields of the message that came back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from .delivery_status import one_line
from .parts import Fields, first, read_fields


class Feedback(Enum):
    """The kinds of report (RFC 5965, section 7.3; RFC 6430, RFC 6591)."""

    ABUSE = "abuse"
    FRAUD = "fraud"
    VIRUS = "virus"
    OTHER = "other"
    NOT_SPAM = "not-spam"
    OPT_OUT = "opt-out"
    AUTH_FAILURE = "auth-failure"

    @property
    def is_complaint(self) -> bool:
        """True when somebody says that they did not want this mail."""
        return self in _COMPLAINTS


_COMPLAINTS: Final = frozenset({Feedback.ABUSE, Feedback.FRAUD, Feedback.VIRUS})
_KINDS: Final = {kind.value: kind for kind in Feedback} | {
    "opt-out-list": Feedback.OPT_OUT,
    "dkim": Feedback.AUTH_FAILURE,
    "miscategorized": Feedback.OTHER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One feedback report.  Addresses are text, without brackets; what is missing is ""."""

    kind: Feedback
    return_path: str = ""
    recipients: tuple[str, ...] = ()
    agent: str = ""
    source: str = ""


def read_feedback(text: str) -> Report:
    r"""Return what the part for programs says; a kind that nobody knows is `other`.

    >>> read_feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: <bob@example.com>\n").recipients
    ('bob@example.com',)
    """
    fields = read_fields(text)
    word = first(fields, "feedback-type").partition(";")[0].strip().lower()
    recipients = [
        _address(value)
        for name, value in fields
        if name in {"original-rcpt-to", "removal-recipient", "original-recipient"}
    ]
    return Report(
        kind=_KINDS.get(word, Feedback.OTHER),
        return_path=_address(first(fields, "original-mail-from")),
        recipients=tuple(dict.fromkeys(found for found in recipients if "@" in found)),
        agent=one_line(first(fields, "user-agent"))[:100],
        source=one_line(first(fields, "source-ip"))[:60],
    )


_JMRP: Final = re.compile(r"complaint about message from", re.IGNORECASE)


def is_old_complaint(fields: Fields, returned: Fields) -> bool:
    """Say whether a message without a part for programs is one of Hotmail's complaints."""
    return bool(
        _JMRP.search(first(fields, "subject")) and first(returned, "x-hmxmroriginalrecipient")
    )


def old_complaint(returned: Fields) -> Report:
    """Return what such a complaint says."""
    whom = _address(first(returned, "x-hmxmroriginalrecipient"))
    return Report(kind=Feedback.ABUSE, recipients=(whom,) if "@" in whom else ())


def _address(value: str) -> str:
    plain = value.rpartition(";")[2].strip().strip("<>")
    return one_line(plain)[:320]
