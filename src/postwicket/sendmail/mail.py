"""From what a program writes to what SMTP carries: line ends, recipients, missing fields.

Everything works on bytes, and what needs no change keeps its bytes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.utils import formataddr, formatdate
from typing import Final

from . import addresses, status

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
_RECIPIENT_FIELDS: Final = (b"to", b"cc", b"bcc")
_RESENT_FIELDS: Final = (b"resent-to", b"resent-cc", b"resent-bcc")
_ADDRESS_FIELDS: Final = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc"})
_LONGEST_ADDRESS: Final = 320


@dataclass(slots=True)
class Mail:
    """A message in pieces: fields as (lower-case name, lines with CR LF), and the body."""

    fields: list[tuple[bytes, bytes]]
    body: bytes

    def has(self, name: bytes) -> bool:
        """Say whether there is such a field."""
        return any(field == name for field, _ in self.fields)

    def content(self) -> bytes:
        """Return the message as SMTP carries it, before dots are doubled."""
        return b"".join(lines for _, lines in self.fields) + b"\r\n" + self.body


def parse(data: bytes, *, ignore_dots: bool) -> Mail:
    """Split what was read from standard input.

    LF, CR LF and CR each end a line.  Without `ignore_dots` a line with one dot ends the
    message.  The header ends at an empty line, or before the first line that is no field.
    """
    text = re.sub(rb"\r+\n|\r", b"\n", data)
    if not ignore_dots:
        text = _until_dot(text)
    if text and not text.endswith(b"\n"):
        text += b"\n"
    lines = text.split(b"\n")[:-1]
    if lines and lines[0].startswith(b"From "):
        lines = lines[1:]  # a mailbox separator, not a field
    fields: list[tuple[bytes, bytes]] = []
    count = 0
    for line in lines:
        found = _FIELD.match(line)
        if fields and line[:1] in (b" ", b"\t") and line.strip():
            name, value = fields[-1]
            fields[-1] = (name, value + line + b"\r\n")
        elif found is not None:
            fields.append((found[1].lower(), line + b"\r\n"))
        else:
            break
        count += 1
    if count < len(lines) and not lines[count].strip():
        count += 1
    body = b"".join(line + b"\r\n" for line in lines[count:])
    return Mail(fields, body)


def _until_dot(text: bytes) -> bytes:
    if text.startswith(b".\n") or text == b".":
        return b""
    at = text.find(b"\n.\n")
    if at >= 0:
        return text[: at + 1]
    return text[:-1] if text.endswith(b"\n.") else text


def recipients_of(mail: Mail) -> list[str]:
    """Return the addresses of To, Cc and Bcc (or of their Resent- kin), for -t."""
    resent = any(mail.has(name) for name in _RESENT_FIELDS)
    names = _RESENT_FIELDS if resent else _RECIPIENT_FIELDS
    values = [_value(lines) for name, lines in mail.fields if name in names]
    return split_addresses(values)


def split_addresses(words: Iterable[str]) -> list[str]:
    """Return the addresses in some texts, each of which may hold several between commas."""
    try:
        return [address for word in words for _, address in addresses.read(word)]
    except ValueError as error:
        raise status.Failed(status.DATAERR, str(error)) from None


def qualify(address: str, hostname: str) -> str:
    """Return the address with a domain; raise `Failed` for what cannot be in an envelope."""
    full = address if "@" in address else f"{address}@{hostname}"
    if len(full) > _LONGEST_ADDRESS or not full.isprintable() or re.search(r"[<>]", full):
        raise status.Failed(status.DATAERR, f"{address[:80]!r} is not an address; correct it")
    return full


def complete(mail: Mail, *, sender: str, name: str, hostname: str, blind: bool) -> None:
    """Add the fields that are missing, and domains to bare user names; with `blind`, drop Bcc."""
    if blind:
        mail.fields = [one for one in mail.fields if one[0] not in {b"bcc", b"resent-bcc"}]
    mail.fields = [(field, _qualified(field, lines, hostname)) for field, lines in mail.fields]
    if not mail.has(b"from"):
        _add(mail, "From", _mailbox(name, sender))
    if not mail.has(b"date"):
        _add(mail, "Date", formatdate(localtime=True))
    if not mail.has(b"message-id"):
        _add(mail, "Message-ID", f"<{secrets.token_hex(12)}@{hostname}>")
    if not any(mail.has(field) for field in _RECIPIENT_FIELDS):
        _add(mail, "To", "undisclosed-recipients:;")


def _add(mail: Mail, name: str, value: str) -> None:
    line = f"{name}: {value}\r\n".encode("utf-8", "surrogateescape")
    mail.fields.append((name.lower().encode(), line))


def _qualified(name: bytes, lines: bytes, hostname: str) -> bytes:
    """Give bare user names ("From: root (Cron Daemon)") their domain, else change nothing."""
    if name not in _ADDRESS_FIELDS or b"@" in lines or lines.count(b":") > 1:
        return lines
    try:
        found = addresses.read(_value(lines))
    except ValueError:
        return lines
    if not found or not all(re.fullmatch(r"[A-Za-z0-9._+-]+", address) for _, address in found):
        return lines
    whole = ", ".join(_mailbox(words, f"{address}@{hostname}") for words, address in found)
    label = lines.partition(b":")[0]
    return label + b": " + whole.encode("utf-8", "surrogateescape") + b"\r\n"


def _mailbox(name: str, address: str) -> str:
    raw = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    clean = "".join(char if char.isprintable() else " " for char in raw).strip()
    if not clean:
        return address
    # Only the name can be encoded; an address that is not ASCII travels as it is (RFC 6532).
    return formataddr((clean, "@")).removesuffix("<@>") + f"<{address}>"


def _value(lines: bytes) -> str:
    text = lines.partition(b":")[2].decode("utf-8", "surrogateescape")
    return " ".join(text.split())


def refuse_too_large(data: bytes, limit: int) -> None:
    """Raise `Failed` when the message is beyond all reason."""
    if len(data) > limit:
        raise status.Failed(
            status.UNAVAILABLE, f"the message is larger than {limit} octets; send a link instead"
        )


def unique(recipients: Sequence[str]) -> list[str]:
    """Return the addresses once each, in order."""
    return list(dict.fromkeys(recipients))
