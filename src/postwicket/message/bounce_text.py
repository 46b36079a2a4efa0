"""Bounces that only people were meant to read: qmail, Exim, old Exchange, sendmail and others.

There was no standard before RFC 3464, and there are servers that never heard of it.  What they
have in common is read here: an opening that only they use, then an address at the start of a
line, then the reason, until a line from which the message itself follows.  An address in
running text, or a text without such an opening, is not believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .delivery_status import LONGEST_DIAGNOSTIC, MOST_RECIPIENTS, Fate, one_line
from .report import Action

LONGEST_TEXT: Final = 65_536  # characters that are looked at
MOST_LINES: Final = 1000
_LONGEST_LINE: Final = 1000

_MAILBOX: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}"
# <bob@example.com>: reason / "bob@example.com": / bob@example.com / 'bob@example.com' on 1/2/2003
_ADDRESS_LINE: Final = re.compile(
    rf"[ \t>*]{{0,30}}(?:\[?(?:SMTP|mailto):[ ]?)?[<\"'(]{{0,2}}({_MAILBOX})[>\"')\]]{{0,2}}"
    r"[ \t]*(?:(?::|\bon\b|\bbecause\b|\(|\.{3}|- )(.{0,1000})|[.,]?[ \t]*)$",
    re.IGNORECASE,
)
_REPLY: Final = re.compile(r"(?<![\d.])([45]\d\d)[ -]\s*(?:#?([45]\.\d{1,3}\.\d{1,3})\b[ ]*)?(.*)")
_REPLY_ENDS: Final = re.compile(r"\n\n|\nGiving up on ")
_STATUS: Final = re.compile(r"(?<![\d.])#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_HOST: Final = re.compile(
    r"\b(?:host|while talking to|server|by)\s+\[?"
    r"([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Form:
    """One server's way to write: words that only it uses, and what they announce."""

    opening: re.Pattern[str]
    action: Action


def _form(words: str, action: Action = Action.FAILED) -> _Form:
    spaced = r"\s+".join(re.escape(word) for word in words.split())
    return _Form(re.compile(spaced, re.IGNORECASE), action)


# Those that only announce a delay come first: their texts contain the others' words.
_FORMS: Final = (
    _form("had transient non-fatal errors", Action.DELAYED),
    _form("THIS IS A WARNING MESSAGE ONLY", Action.DELAYED),
    _form("has not yet been delivered to", Action.DELAYED),
    _form("has not been delivered to all", Action.DELAYED),
    _form("could not be delivered yet", Action.DELAYED),
    _form("Your message has been delayed", Action.DELAYED),
    _form("Delivery to the following recipient has been delayed", Action.DELAYED),
    _form("Hi. This is the qmail-send program"),
    _form("I wasn't able to deliver your message to the following addresses"),
    _form("This message was created automatically by mail delivery software"),
    _form("could not be delivered to one or more of its recipients"),
    _form("could not be delivered to one or more recipients"),
    _form("Unable to deliver message to the following address"),
    _form("unable to deliver your message to the following address"),
    _form("The following addresses had permanent fatal errors"),
    _form("The following addresses had permanent delivery errors"),
    _form("did not reach some or all of the intended recipients"),
    _form("The following recipient(s) could not be reached"),
    _form("The following recipient(s) cannot be reached"),
    _form("Delivery to the following recipient failed permanently"),
    _form("Delivery to the following recipients failed"),
    _form("Delivery has failed to these recipients or distribution lists"),
    _form("Delivery has failed to these recipients or groups"),
    _form("Sorry, we were unable to deliver your message to the following address"),
    _form("Your message could not be delivered to"),
    _form("Your message wasn't delivered to"),
    _form("was not delivered to:"),
    _form("Failed to deliver to"),
    _form("This is the mail system at host"),
)
# From here on it is the message that came back, or what was said before it did.
_MESSAGE_FOLLOWS: Final = re.compile(
    r"^(?:-{2,} ?(?:Below this line|This is a copy|The header of the original|Original message"
    r"|Unsent message|Message header follows|The body of the message|Enclosed is a copy|Message)"
    r"|\s*-{3,} ?(?:Original message|Message header follows|Unsent message)"
    r"|Received: |Return-Path: )",
    re.IGNORECASE,
)
NO_SUCH_PERSON: Final = re.compile(
    r"no such (?:user|person|mailbox|recipient|address)|(?:user|recipient|mailbox|account|address)"
    r" (?:is )?(?:unknown|not found|does not exist|doesn't exist|is unavailable)"
    r"|unknown (?:user|recipient|local|mailbox|address)|doesn't have an? [\w.]{1,30} account"
    r"|(?:account|mailbox|user) does ?n.t exist|(?:does not|doesn't) exist|unrouteable address"
    r"|not listed in (?:domino|public)|invalid (?:recipient|mailbox)|no mailbox here by that name",
    re.IGNORECASE,
)
_FULL: Final = re.compile(
    r"(?:mailbox|inbox|quota|storage)[^.\n]{0,40}(?:full|exceed)"
    r"|over ?quota|exceed[^.\n]{0,40}quota",
    re.IGNORECASE,
)
_DISABLED: Final = re.compile(
    r"(?:account|mailbox|user)[^.\n]{0,30}(?:disabled|inactive|suspended|closed)", re.IGNORECASE
)


def read_bounce(text: str, *, failed: tuple[str, ...] = ()) -> tuple[Fate, ...]:
    r"""Return what a bounce in words says of recipients; none when it is not one that is known.

    `failed` are the addresses of an X-Failed-Recipients field (Exim, Gmail): they count even
    where the text is in words of its own.

    >>> fate, = read_bounce("Hi. This is the qmail-send program at a.example.\n\n"
    ...                     "<bob@example.com>:\nSorry, no mailbox here by that name.\n")
    >>> fate.final, fate.status
    ('bob@example.com', '5.1.1')
    """
    text = text[:LONGEST_TEXT]
    form = next((form for form in _FORMS if form.opening.search(text)), None)
    if form is None and not failed:
        return ()
    lines = _up_to_the_message(text)
    everything = "\n".join(lines)
    action = form.action if form is not None else Action.FAILED
    named = [(address, reason) for address, reason in _named(lines) if "@" in address]
    if failed:
        known = {address.lower(): reason for address, reason in named}
        named = [(address, known.get(address.lower(), "")) for address in failed]
    fates: dict[str, Fate] = {}
    for address, reason in named[:MOST_RECIPIENTS]:
        fates.setdefault(address.lower(), _fate(address, reason, everything, action))
    return tuple(fates.values())


def _up_to_the_message(text: str) -> list[str]:
    lines = []
    for line in text.split("\n")[:MOST_LINES]:
        if _MESSAGE_FOLLOWS.match(line):
            break
        lines.append(line[:_LONGEST_LINE].rstrip())
    return lines


def _named(lines: list[str]) -> list[tuple[str, str]]:
    """Return the addresses that begin a line, each with what is said until the next one."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        begin = _ADDRESS_LINE.match(line)
        if begin:
            found.append((begin[1], [begin[2] or ""]))
        elif found:
            found[-1][1].append(line)
    return [(address.rstrip("."), "\n".join(reason)) for address, reason in found]


def _fate(address: str, reason: str, everything: str, action: Action) -> Fate:
    """Read the reason; what is said for all of them counts where there is none of its own."""
    diagnostic, status = _said(reason)
    if not status:
        status = _by_words(reason)
    if not diagnostic and not status:
        diagnostic, status = _said(everything)
        status = status or _by_words(everything)
    if action is Action.FAILED and not status:
        status = "5.0.0"
    host = _HOST.search(reason) or (_HOST.search(everything) if diagnostic else None)
    return Fate(
        action=action,
        final=address,
        status=status,
        diagnostic=diagnostic or _first_paragraph(reason),
        remote=host[1].lower() if host else "",
    )


def _said(words: str) -> tuple[str, str]:
    """Return the first SMTP reply in these words, with its enhanced status, each or ""."""
    reply = _REPLY.search(words)
    status = _STATUS.search(words)
    if reply is None:
        return "", status[1] if status else ""
    following = _REPLY_ENDS.split(words[reply.start() :], maxsplit=1)[0]
    near = reply[2] or (status[1] if status and status[1][0] == reply[1][0] else "")
    return one_line(following)[:LONGEST_DIAGNOSTIC], near


def _first_paragraph(reason: str) -> str:
    """Return the first paragraph that is more than the announcement of the next one."""
    paragraphs = (one_line(paragraph) for paragraph in reason.split("\n\n"))
    found = next((text for text in paragraphs if text and not text.endswith(":")), "")
    return found[:LONGEST_DIAGNOSTIC]


def _by_words(words: str) -> str:
    if NO_SUCH_PERSON.search(words):
        return "5.1.1"
    if _FULL.search(words):
        return "5.2.2"
    return "5.2.1" if _DISABLED.search(words) else ""
