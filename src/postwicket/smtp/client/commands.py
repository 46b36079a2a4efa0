"""One message for one peer: the lines that announce it, and why it may not go there as it is.

Everything that the peer has not offered is left out, or, where leaving it out would change the
mail, objected to with a reply of our own that reads like a server's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from postwicket.core.address import Address
from postwicket.core.envelope import NO_DEMANDS, Body, Demands, Recipient, Sender
from postwicket.core.reply import Reply

from .answer import Answer, Stage
from .capabilities import Capabilities
from .outgoing import is_clean

BARE_LINE_END: Final = Reply(
    550, (6, 0), "The content has a bare CR, a bare LF or a NUL", "content.bare-line-end"
)
NEEDS_BINARY: Final = Reply(
    554, (6, 1), "The next server does not take BINARYMIME", "content.binary-not-supported"
)
NEEDS_EIGHT_BIT: Final = Reply(
    554, (6, 3), "The next server does not take 8BITMIME", "content.8bit-not-supported"
)
NEEDS_SMTPUTF8: Final = Reply(
    553, (6, 7), "The next server does not take SMTPUTF8", "content.smtputf8-not-supported"
)
MALFORMED: Final = Reply(
    501, (5, 4), "A parameter of the envelope cannot be sent", "envelope.malformed"
)
NO_REQUIRETLS: Final = Reply(
    550,
    (7, 30),
    "REQUIRETLS support required: the next server does not offer it",
    "tls.require-tls",
)
SHRUNK: Final = Reply(451, (3, 0), "The stored content has another size than it had", "")
TOO_LATE: Final = Reply(
    554, (4, 7), "The time by which it had to be delivered is over", "envelope.deliver-by-over"
)
_UNSAFE: Final = frozenset("\r\n\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to send on one connection.

    `size` is in octets; `whole` is all of it where it is small, else None and the content comes
    in pieces when the machine asks; `header` is its header fields.  `require_tls` is REQUIRETLS
    (RFC 8689).
    """

    sender: Sender
    recipients: tuple[Recipient, ...]
    size: int
    header: bytes
    whole: bytes | None = None
    require_tls: bool = False
    demands: Demands = NO_DEMANDS


def objection(mail: Mail, peer: Capabilities, now: float) -> Answer | None:
    """Say why no recipient of this peer may get the mail, or None; `now` is seconds since 1970."""
    if mail.require_tls and not peer.requiretls:
        return Answer(Stage.MAIL, NO_REQUIRETLS, ours=True)
    reply = TOO_LATE if _is_late(mail, peer, now) else _content_objection(mail, peer)
    if reply is None and peer.size is not None and mail.size > peer.size:
        text = f"The message has {mail.size} octets, the next server takes {peer.size}"
        return Answer(Stage.MAIL, Reply(552, (3, 4), text, "size.next-server"), ours=True)
    return Answer(Stage.MAIL, reply, ours=True) if reply else None


def _content_objection(mail: Mail, peer: Capabilities) -> Reply | None:
    sender = mail.sender
    if sender.body is Body.BINARY:
        if not peer.binary:
            return NEEDS_BINARY
    elif mail.whole is not None:
        if not is_clean(mail.whole):
            return BARE_LINE_END
        if not peer.eight_bit and not mail.whole.isascii():
            return NEEDS_EIGHT_BIT
    if peer.smtputf8 or not sender.smtputf8:
        return None
    if sender.address and not sender.address.local.isascii():
        return NEEDS_SMTPUTF8
    return None if mail.header.isascii() else NEEDS_SMTPUTF8


def _is_late(mail: Mail, peer: Capabilities, now: float) -> bool:
    """Say whether the sender wants it back by now, or before this peer could do anything."""
    demands = mail.demands
    if demands.deliver_by is None or demands.by_mode != "R":
        return False
    return demands.deliver_by - now < max(1, peer.deliver_by or 0)


def mail_command(mail: Mail, peer: Capabilities, now: float) -> str | None:
    """Return MAIL FROM with what the peer understands, or None if it cannot be said safely."""
    sender = mail.sender
    path = _spelled(sender.address, peer) if sender.address else ""
    if path is None:
        return None
    line = f"MAIL FROM:<{path}>"
    if peer.offers_size:
        line += f" SIZE={mail.size}"
    if peer.eight_bit:
        line += _body(mail)
    if peer.smtputf8 and _needs_utf8(mail):
        line += " SMTPUTF8"
    if mail.require_tls:
        line += " REQUIRETLS"
    if peer.dsn:
        line += f" RET={sender.ret}" if sender.ret else ""
        line += f" ENVID={sender.envid}" if sender.envid else ""
    line += _demanded(mail.demands, peer, now)
    return None if _UNSAFE.intersection(line) else line


def _demanded(demands: Demands, peer: Capabilities, now: float) -> str:
    """Return what is passed on of deadline, priority and security to a peer that knows them."""
    if demands is NO_DEMANDS:
        return ""
    line = ""
    if demands.deliver_by is not None and peer.deliver_by is not None:
        # RFC 2852, section 4: what is left of the time, nine digits at most.
        left = max(-999_999_999, min(999_999_999, int(demands.deliver_by - now)))
        line += f" BY={left};{demands.by_mode}{'T' if demands.by_trace else ''}"
    if demands.priority and peer.priorities:
        line += f" MT-PRIORITY={demands.priority}"
    return line


def rcpt_command(recipient: Recipient, peer: Capabilities) -> str | None:
    """Return RCPT TO with what the peer understands, or None if it cannot be said safely."""
    path = _spelled(recipient.address, peer)
    if path is None:
        return None
    line = f"RCPT TO:<{path}>"
    if peer.dsn:
        if recipient.notify:
            line += " NOTIFY=" + ",".join(sorted(n.value for n in recipient.notify))
        if recipient.orcpt and (recipient.orcpt.isascii() or peer.smtputf8):
            line += f" ORCPT={recipient.orcpt}"
    return None if _UNSAFE.intersection(line) else line


def unspeakable(address: Address | None) -> Reply:
    """Return our reply for an address that no command could be made of."""
    plain = address is None or address.local.isascii()
    return MALFORMED if plain else NEEDS_SMTPUTF8


def _spelled(address: Address, peer: Capabilities) -> str | None:
    if address.local.isascii():
        # An A-label says the same as the U-label, and every server behind the next knows it.
        return f"{address.local}@{address.wire_domain}"
    return str(address) if peer.smtputf8 else None


def _body(mail: Mail) -> str:
    body = mail.sender.body
    if body is Body.BINARY:
        return " BODY=BINARYMIME"
    if mail.whole is not None:
        # What the content is counts for more than what its client called it.
        return "" if mail.whole.isascii() else " BODY=8BITMIME"
    return " BODY=8BITMIME" if body is Body.EIGHT_BIT or not mail.header.isascii() else ""


def _needs_utf8(mail: Mail) -> bool:
    if not mail.header.isascii():
        return mail.sender.smtputf8
    addresses = [recipient.address for recipient in mail.recipients]
    if mail.sender.address is not None:
        addresses.append(mail.sender.address)
    return not all(address.local.isascii() for address in addresses)
