"""A message of ours that something may come back about, for tests."""

from __future__ import annotations

from postwicket.core.address import Address
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueIds
from postwicket.returns.changes import Arrival
from postwicket.storage.values import Message
from postwicket.trust.return_path import ReturnPaths

NOW = 1_750_000_000.0
HOSTNAME = "mail.example.org"
PATHS = ReturnPaths(b"k" * 32, "returns.example.org")
ARRIVAL = Arrival(at=NOW + 60, peer="192.0.2.7", listener="inbound 0.0.0.0:25")
IDS = QueueIds(9)


def letter(*recipients: str | Recipient, lane: str = "transactional") -> Message:
    """Return a message of ann's to these recipients."""
    addressed = tuple(
        one if isinstance(one, Recipient) else Recipient(Address.parse(one))
        for one in recipients or ("bob@example.com",)
    )
    return Message(
        id=IDS.next(NOW),
        account="ann@example.org",
        envelope=Envelope(Sender(address=Address.parse("ann@example.org")), addressed),
        size=100,
        received=NOW,
        expires=NOW + 1000,
        message_id="one@app.example.org",
        subject="tea",
        lane=lane,
    )
