"""Fill a data folder with deferred mail, as an upstream that has been down for hours leaves it.

`python -m bench.backlog DATA COUNT`, while no server runs on the folder.  Messages go in through
the queue's own `accept`, so that every table and index is as full as in real life; then two
statements make each of them deferred after one attempt, due again in six to twelve hours.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final

from bench.generator import Load, content
from bench.peers.server import USER
from postwicket.core.address import Address
from postwicket.core.entry import Accepted
from postwicket.core.envelope import Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueIds
from postwicket.storage.database import FILE
from postwicket.storage.opening import open_queue
from postwicket.storage.values import Message, NewMessage, SmallBody

_SLOT: Final = 1023  # of the queue ids; no worker of the benchmark has it
_BATCH: Final = 500
_SITES: Final = 200  # destinations among which the mail is spread
_AGE: Final = 4 * 3600.0
_EXPIRES: Final = 5 * 86_400.0

_DEFER: Final = """
UPDATE delivery
   SET state = 'deferred', attempts = 1, due = :due + (message & 4095) * 5, claimed_by = NULL,
       route = 'upstream:bench', cause = 'network', reply = '421 4.4.1 Connection refused'
"""
_ATTEMPTS: Final = """
INSERT INTO attempt (message, number, count, at, seconds, route, remote, tls, reply, transcript)
SELECT message, number, 1, :at, 0.1, 'upstream:bench', '127.0.0.1:25', '',
       '421 4.4.1 Connection refused', 'connect: refused'
  FROM delivery
"""


async def fill(data: Path, count: int, now: float) -> None:
    """Put `count` messages with one deferred recipient each into the queue."""
    queue = open_queue(data, asyncio.get_running_loop())
    ids = QueueIds(_SLOT)
    sender = Address.parse(USER)
    head, tail = content(Load(port=0, sender=USER), "backlog")
    header, _, body = (head + b"%d" + tail).partition(b"\r\n\r\n")
    try:
        for start in range(0, count, _BATCH):
            batch = [
                _message(ids, sender, number, header, SmallBody(b"\r\n" + body[:-3]), now - _AGE)
                for number in range(start, min(start + _BATCH, count))
            ]
            await asyncio.gather(*(queue.accept(new) for new in batch))
    finally:
        await queue.close()


def defer(data: Path, now: float) -> None:
    """Make everything in the queue look tried once, and due much later."""
    with contextlib.closing(sqlite3.connect(data / FILE)) as database, database:
        database.execute(_DEFER, {"due": now + 21_600})
        database.execute(_ATTEMPTS, {"at": now - _AGE})
    with contextlib.closing(sqlite3.connect(data / FILE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _message(
    ids: QueueIds, sender: Address, number: int, header: bytes, body: SmallBody, received: float
) -> NewMessage:
    id = ids.next(received)  # noqa: A001  (the house's word for it)
    recipient = Address.parse(f"rcpt{number}@site{number % _SITES}.example.net")
    named = header.replace(b"%d", b"%d" % number) + b"\r\n"
    size = len(named) + body.size
    return NewMessage(
        message=Message(
            id=id,
            account=USER,
            envelope=Envelope(Sender(address=sender), (Recipient(recipient),)),
            size=size,
            received=received,
            expires=received + _EXPIRES,
            message_id=f"<backlog.{number}@load.example.org>",
            subject="load",
        ),
        header=named,
        body=body,
        entry=Accepted(
            at=received, message=id, account=USER, sender=USER, recipients=1, size=size
        ),
    )


if __name__ == "__main__":
    folder, amount, moment = Path(sys.argv[1]), int(sys.argv[2]), time.time()
    asyncio.run(fill(folder, amount, moment))
    defer(folder, moment)
