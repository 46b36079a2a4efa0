"""May this header go out?  Rules over a parsed header, in order; the first objection counts.

Two kinds: who the message claims to be from (RFC 6409, section 6.1: checked against what the
account may write as), and whether all readers will read the header alike (RFC 5322, section
3.6).  Numbers and codes are Gmail's where Gmail has one.  The content itself is nobody's
business here, and nothing is changed: a message is taken as it is or refused with the way out.

Octets outside ASCII are legal only with SMTPUTF8 (RFC 6532); many scripts write them without.
What protects is kept: everywhere they must be UTF-8, for two readers of an unnamed charset see
two texts; and in the fields that hold addresses they need SMTPUTF8, because a display name or
an address is where looking alike deceives, and because a next hop without SMTPUTF8 may mend
such a field by guessing.  In Subject and other text, UTF-8 without SMTPUTF8 is let through, as
Gmail does: all readers show it, no program decides by it, and refusing it would only cost
senders who have no way to change their script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from postwicket.core.address import Address
from postwicket.core.cause import Cause
from postwicket.core.refusal import Refusal, first_refusal
from postwicket.core.reply import Reply
from postwicket.identity.account import Account
from postwicket.message.dates import date_fault
from postwicket.message.header import Field, Header
from postwicket.message.mailboxes import parse_mailboxes

# What Gmail documents (reference sheet, section 1.4).
MOST_HOPS: Final = 50  # Received fields
LARGEST_HEADER: Final = 500 * 1024  # octets
MOST_FIELDS: Final = 5000
LARGEST_VALUE: Final = 32 * 1024  # octets
LONGEST_SUBJECT: Final = 998  # octets; also a line's limit, RFC 5322, section 2.1.1
LONGEST_MESSAGE_ID: Final = 500  # octets

# Bcc is ours to add to Gmail's three: we take it out before anybody else reads it.
_UNLIMITED: Final = frozenset({"to", "cc", "bcc", "references"})
_ONCE: Final = (
    *("date", "from", "sender", "reply-to", "to", "cc", "subject", "message-id", "in-reply-to"),
    *("references", "mime-version", "content-type", "content-transfer-encoding"),
)
_SPEAKERS: Final = ("from", "sender", "resent-from", "resent-sender")
_ADDRESSES: Final = (
    *(*_SPEAKERS, "reply-to", "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"),
    *("resent-reply-to", "disposition-notification-to", "return-receipt-to", "errors-to"),
)

# RFC 5322, section 3.6.4, save that dots may stand anywhere: many programs put them there.
_ID_TEXT: Final = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]++"
_MESSAGE_ID: Final = re.compile(
    rb"(?:\([^()\\]*+\)[ \t]*+)?<(?:%b|\"(?:[ !#-\[\]-~]|\\[ -~])*+\")@(?:%b|\[[!-Z^-~]*+\])>"
    rb"(?:[ \t]*+\([^()\\]*+\))?" % (_ID_TEXT, _ID_TEXT)
)


class Case(NamedTuple):
    """What the rules judge: a header, in whose name, and whether it was announced as UTF-8."""

    header: Header
    account: Account | None
    smtputf8: bool


def content_refusal(
    header: Header, *, account: Account | None, smtputf8: bool = False
) -> Refusal | None:
    """Return the first objection to the header, or None.

    `account` is whose session it is; None (the server's own notices) leaves out who may write
    as whom and nothing else.  `smtputf8` is the MAIL parameter (RFC 6531).
    """
    case = Case(header, account, smtputf8)
    return first_refusal(rule(case) for rule in RULES)


def too_many_hops(case: Case) -> Refusal | None:
    """Object to more than 50 Received fields: the message goes round in a circle."""
    hops = len(case.header.by_key.get("received", ()))
    if hops <= MOST_HOPS:
        return None
    return Refusal(
        reply=Reply(
            554, (4, 6), f"This message passed {hops} servers: a mail loop", "content.loop"
        ),
        cause=Cause.PROTOCOL,
        why=f"{hops} Received fields, {MOST_HOPS} are allowed",
        fix="find the two servers or rules that send mail back to each other",
    )


def too_large(case: Case) -> Refusal | None:
    """Object to a header beyond Gmail's limits; whole values count, without their folds."""
    header = case.header
    if len(header.raw) > LARGEST_HEADER:
        return _large("The header is larger than 500 KB", "content.header-size")
    if len(header.fields) > MOST_FIELDS:
        return _large(f"There are more than {MOST_FIELDS} header fields", "content.header-fields")
    if len(header.raw) <= LONGEST_SUBJECT:
        return None  # then no value can be too long
    for field in header.by_key.get("subject", ()):
        if len(field.value) > LONGEST_SUBJECT:
            text = f"The subject is longer than {LONGEST_SUBJECT} characters"
            return _large(text, "content.subject-size")
    for field in header.fields:
        if len(field.raw) > LARGEST_VALUE and field.key not in _UNLIMITED:
            text = f"The field {_shown(field.name)} is larger than 32 KB"
            return _large(text, "content.field-size")
    return None


def not_one_from(case: Case) -> Refusal | None:
    """Object unless there is exactly one From field."""
    count = len(case.header.by_key.get("from", ()))
    if count == 1:
        return None
    if count == 0:
        return _malformed(
            "The From field is missing", "add one with your address", "content.from-missing"
        )
    return _malformed(f"There are {count} From fields", "keep one", "content.from-duplicate")


def repeated(case: Case) -> Refusal | None:
    """Object to a second field of a kind of which there is one (RFC 5322, section 3.6)."""
    by_key = case.header.by_key
    if len(by_key) == len(case.header.fields):
        return None
    for key in _ONCE:
        if len(by_key.get(key, ())) > 1:
            name = _shown(by_key[key][0].name)
            problem = f"There are {len(by_key[key])} {name} fields"
            return _malformed(problem, "keep one", "content.duplicate-header")
    return None


def not_utf8(case: Case) -> Refusal | None:
    """Object to octets outside ASCII that are no UTF-8, or unannounced among addresses."""
    if case.header.raw.isascii():
        return None
    for field in case.header.fields:
        if not _is_utf8(field.raw):
            return Refusal(
                reply=Reply(
                    550,
                    (6, 0),
                    f"The field {_shown(field.name)} has octets that are not UTF-8: write"
                    " UTF-8 or an encoded word (RFC 2047)",
                    "content.charset",
                ),
                cause=Cause.CONTENT,
                why=f"{_shown(field.name)} is neither ASCII nor UTF-8",
                fix="send the text as UTF-8 or as encoded words",
            )
    return None if case.smtputf8 else _unannounced(case.header)


def _unannounced(header: Header) -> Refusal | None:
    for key in _ADDRESSES:
        for field in header.by_key.get(key, ()):
            if not field.raw.isascii():
                name = _shown(field.name)
                return Refusal(
                    reply=Reply(
                        550,
                        (6, 7),
                        f"The field {name} is not ASCII: write the name as an encoded word"
                        " (RFC 2047), or send with SMTPUTF8",
                        "content.smtputf8-needed",
                    ),
                    cause=Cause.CONTENT,
                    why=f"{name} has UTF-8 and the MAIL command had no SMTPUTF8",
                    fix="encode display names (RFC 2047), or use SMTPUTF8 for UTF-8 addresses",
                )
    return None


def not_your_name(case: Case) -> Refusal | None:
    """Object unless From, Sender and their Resent forms name who the account may write as.

    From and Sender name one mailbox each; a Resent-From may name several, all of them yours.
    """
    for key in _SPEAKERS:
        for field in case.header.by_key.get(key, ()):
            if refusal := _wrong_speaker(field, key, case.account):
                return refusal
    return None


def _wrong_speaker(field: Field, key: str, account: Account | None) -> Refusal | None:
    name = _shown(field.name)
    try:
        mailboxes = parse_mailboxes(field.value)
    except ValueError as error:
        problem = f"The field {name} has no valid address, {_printable(str(error))}"
        return _malformed(problem, "write Name <you@your.domain>", f"content.{key}-invalid")
    if len(mailboxes) > 1 and key != "resent-from":
        problem = f"The field {name} has {len(mailboxes)} addresses"
        return _malformed(problem, "keep one", f"content.{key}-several")
    for address in mailboxes:
        if account is not None and not account.may_write_as(address):
            return _not_yours(address, name, account)
    return None


def _not_yours(address: Address, name: str, account: Account) -> Refusal:
    spelling = _printable(str(address))
    fix = f"use {account.address}, or ask the operator to grant you {spelling}"
    return Refusal(
        reply=Reply(
            553,
            (7, 1),
            f"The field {name} says {spelling}, which is not yours: {_printable(fix)}",
            "sender.header-not-yours",
        ),
        cause=Cause.SENDER,
        why=f"account {account.address} has no right to write as {spelling} ({name})",
        fix=fix,
    )


def bad_message_id(case: Case) -> Refusal | None:
    """Object to a Message-ID that is none; a missing one is ours to add."""
    for field in case.header.by_key.get("message-id", ()):
        value = field.value
        if len(value) > LONGEST_MESSAGE_ID:
            text = f"The Message-ID is longer than {LONGEST_MESSAGE_ID} characters"
            return _large(text, "content.message-id-size")
        if not _MESSAGE_ID.fullmatch(value):
            return _malformed(
                "The Message-ID is not of the form <something@your.domain>",
                "mend it or leave it out",
                "content.message-id-invalid",
            )
    return None


def bad_date(case: Case) -> Refusal | None:
    """Object to a Date that is none; a missing one is ours to add."""
    for field in case.header.by_key.get("date", ()):
        if fault := date_fault(field.value):
            problem = f"The Date field is not valid, {fault}"
            return _malformed(problem, "mend it or leave it out", "content.date-invalid")
    return None


Rule = Callable[[Case], Refusal | None]

# The order is the policy: what is cheap and bounds the rest comes first, and a header is known
# to be read alike by everybody before anybody asks whose it is.
RULES: Final[tuple[Rule, ...]] = (
    too_many_hops,
    too_large,
    not_one_from,
    repeated,
    not_utf8,
    not_your_name,
    bad_message_id,
    bad_date,
)


def _malformed(problem: str, remedy: str, rule: str) -> Refusal:
    """Refuse as Gmail refuses what is "not RFC 5322 compliant"."""
    return Refusal(
        reply=Reply(550, (7, 1), f"{problem}: {remedy}", rule),
        cause=Cause.CONTENT,
        why=problem,
        fix=remedy,
    )


def _large(text: str, rule: str) -> Refusal:
    return Refusal(
        reply=Reply(552, (3, 4), text, rule),
        cause=Cause.SIZE,
        why=text,
        fix="shorten the header",
    )


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shown(name: bytes) -> str:
    """Return a field name for a reply; it is printable ASCII, but may be a kilobyte long."""
    return name[:60].decode("ascii")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:400]
