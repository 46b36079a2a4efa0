"""A message while it is being received: envelope, header in memory, body on its way to storage."""

from __future__ import annotations

from typing import Final

from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.policy.timing import AT_ONCE, Timing
from postwicket.storage.bodies import BodyStore, Spool
from postwicket.trust.dkim import BodyHasher

LONGEST_HEADER: Final = 600_000  # octets kept; the rule (500 KB, as Gmail's) refuses before that


class Draft:
    """One transaction.  Memory is bounded: a long body goes to a file, a long header is cut off.

    `header` is complete once `end` was called, or once the empty line after it has come.
    """

    __slots__ = (
        "_bodies",
        "_head",
        "_in_body",
        "_known",
        "hasher",
        "header",
        "recipients",
        "sender",
        "spool",
        "timing",
    )

    def __init__(
        self,
        sender: Sender,
        bodies: BodyStore,
        hasher: BodyHasher | None = None,
        timing: Timing = AT_ONCE,
    ) -> None:
        self.sender = sender
        self.timing = timing
        self.hasher = hasher  # of a body that goes to a file, while it goes there
        self.recipients: list[Recipient] = []
        self.header = b""
        self.spool: Spool | None = None
        self._bodies = bodies
        self._known: set[str] = set()
        self._head = b""
        self._in_body = False

    def address(self, recipient: Recipient) -> None:
        """Add a recipient; one that is there already is not written to twice."""
        name = recipient.address.canonical
        if name not in self._known:
            self._known.add(name)
            self.recipients.append(recipient)

    def names(self, recipient: Recipient) -> bool:
        """Say whether this recipient is there already."""
        return recipient.address.canonical in self._known

    @property
    def envelope(self) -> Envelope:
        """Sender and recipients."""
        return Envelope(self.sender, tuple(self.recipients))

    def add(self, data: bytes) -> bool:
        """Take the next piece; True when `spool.flush` is due, in a thread."""
        if self.spool is None:
            self.spool = self._new_spool()
        if self._in_body:
            return self.spool.append(data)
        head = self._head + data if self._head else data
        if head.startswith(b"\r\n"):
            end = 0
        else:
            # The empty line may have begun in the piece before.
            end = head.find(b"\r\n\r\n", max(0, len(self._head) - 3)) + 2
        if end == 1:
            self._head = head[:LONGEST_HEADER]
            return False
        self.header, self._head, self._in_body = head[:end], b"", True
        return self.spool.append(head[end:])

    def end(self) -> Spool:
        """Return the body; a message without an empty line is all header."""
        if not self._in_body:
            self.header, self._head, self._in_body = self._head, b"", True
        if self.spool is None:
            self.spool = self._new_spool()
        return self.spool

    def _new_spool(self) -> Spool:
        return self._bodies.spool(self.hasher.update if self.hasher else None)

    def discard(self) -> None:
        """Forget it, and the file if there is one."""
        if self.spool is not None:
            self.spool.discard()
            self.spool = None
