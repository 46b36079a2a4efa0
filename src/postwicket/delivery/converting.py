"""Content that the next server cannot take, made into what it can: 8-bit, binary, UTF-8 headers.

Tried only where the message would fail otherwise.  One message at a time, for a conversion holds
the whole of it in memory, and off the loop.  Our own DKIM signatures are made anew; whoever else
signed the message sees that it was changed, and what was signed as a multipart is not touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, Protocol

from postwicket.core.envelope import Body
from postwicket.core.reply import Reply
from postwicket.message.ascii_header import CannotConvert
from postwicket.message.seven_bit import to_seven_bit
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.smtp.client.capabilities import Capabilities
from postwicket.smtp.client.commands import (
    NEEDS_BINARY,
    NEEDS_EIGHT_BIT,
    NEEDS_SMTPUTF8,
    Mail,
)
from postwicket.storage.interfaces import Content

from .shipment import UNREADABLE_ERRORS, Shipment, mail_of, unreadable

PIECE: Final = 262_144  # octets
LONGEST_REASON: Final = 200  # characters
MISTAKEN: Final = Reply(
    451, (3, 0), "It could not be converted: a mistake of this server, see its log"
)
DONE: Final = "the message was converted to 7 bits for this server"


class Resigner(Protocol):
    """Who signs again what was changed (the signer)."""

    def resign(self, header: bytes, pieces: Iterable[bytes], *, lives_until: float = 0.0) -> bytes:
        """Return the header with our signatures made anew."""
        ...


@dataclass(frozen=True, slots=True)
class MadeContent:
    """A converted message; `parts` are what follows the header, empty line included."""

    header: bytes
    parts: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """Octets in all."""
        return len(self.header) + sum(map(len, self.parts))

    def pieces(self) -> Iterator[bytes]:
        """Yield everything in order, in pieces of at most 256 KiB."""
        for part in (self.header, *self.parts):
            for start in range(0, len(part), PIECE):
                yield part[start : start + PIECE]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be converted, and what the peer lacks for it."""

    shipment: Shipment
    content: Content
    lacking: Reply


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to send, and what to note about it."""

    mail: Mail
    content: Content
    remarks: tuple[str, ...] = ()


def wants_converting(mail: Mail, peer: Capabilities) -> Reply | None:
    """Return what the peer lacks for this mail, or None where it goes as it is.

    A large message is not at hand: whether it is 8-bit is found out on the way.
    """
    sender = mail.sender
    if sender.body is Body.BINARY and not peer.binary:
        return NEEDS_BINARY
    if not peer.eight_bit and (mail.whole is None or not mail.whole.isascii()):
        return NEEDS_EIGHT_BIT
    if peer.smtputf8 or not sender.smtputf8 or mail.header.isascii():
        return None
    # A name before the @ that is not ASCII has no other spelling: that is said without trying.
    return NEEDS_SMTPUTF8 if sender.address is None or sender.address.local.isascii() else None


class Converter:
    """Converts for all connections of a process."""

    def __init__(self, disk: Executor | None = None, resigner: Resigner | None = None) -> None:
        self._disk = disk
        self._resigner = resigner
        self._one = asyncio.Lock()

    async def prepare(self, wanted: Wanted) -> Prepared | tuple[Answer, ...]:
        """Return what to send instead, or our own answers where nothing can be."""
        shipment, content = wanted.shipment, wanted.content
        try:
            async with self._one:
                made = await asyncio.get_running_loop().run_in_executor(
                    self._disk, self._convert, shipment, content
                )
            if made is content:
                return Prepared(mail_of(shipment, content), content)
            return Prepared(_as_converted(mail_of(shipment, made)), made, (DONE,))
        except CannotConvert as error:
            return _cannot(wanted, error)
        except UNREADABLE_ERRORS:
            return unreadable(shipment)
        except Exception as bug:  # noqa: BLE001 - whatever it is, who waits must hear of it
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a message could not be converted", "exception": bug}
            )
            return (Answer(Stage.MAIL, MISTAKEN, ours=True),) * len(shipment.deliveries)

    def _convert(self, shipment: Shipment, content: Content) -> Content:
        header = content.header
        body = b"".join(content.pieces())[len(header) :]
        head, parts = to_seven_bit(header, body)
        if head == header and len(parts) == 1:
            return content
        # Only what an account handed in was ours to sign.  A stranger's mail, on its way to the
        # postmaster, would come out with our signature on whatever its From says.
        if self._resigner is not None and shipment.message.account:
            lives_until = shipment.message.expires
            head = self._resigner.resign(head, parts, lives_until=lives_until)
        return MadeContent(head, tuple(parts))


def _as_converted(mail: Mail) -> Mail:
    """Return the announcement of content in 7 bits."""
    addresses = (mail.sender.address, *[one.address for one in mail.recipients])
    # U-labels have A-labels; a name before the @ that is not ASCII still wants SMTPUTF8.
    plain = all(address is None or address.local.isascii() for address in addresses)
    smtputf8 = mail.sender.smtputf8 and not plain
    return replace(mail, sender=replace(mail.sender, body=Body.SEVEN_BIT, smtputf8=smtputf8))


def _cannot(wanted: Wanted, error: CannotConvert) -> tuple[Answer, ...]:
    """Return the answers for what could neither go as it is nor otherwise: ours, and final."""
    lacking = wanted.lacking
    reason = "".join(char if char.isprintable() else "?" for char in str(error))
    text = f"{lacking.text}, and the message cannot be converted: {reason[:LONGEST_REASON]}"
    reply = Reply(lacking.code, lacking.status, text, lacking.rule)
    return (Answer(Stage.MAIL, reply, ours=True),) * len(wanted.shipment.deliveries)
