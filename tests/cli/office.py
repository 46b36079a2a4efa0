"""A folder with a configuration and a database, and the command line in front of it."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from postwicket.cli.main import main
from postwicket.core.address import Address
from postwicket.core.entry import Accepted, Settled
from postwicket.core.envelope import NO_DEMANDS, Demands, Envelope, Recipient, Sender
from postwicket.core.queue_id import QueueIds, spell
from postwicket.core.state import State
from postwicket.storage.opening import open_queue
from postwicket.storage.values import Attempt, Delivery, Message, NewMessage, Settlement, SmallBody

IDS = QueueIds(5)
HEADER = b"From: ann@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
BODY = b"\r\nHello,\r\nhow are you?\r\n"


@dataclass
class Said:
    """What a call printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Office:
    """Calls commands with `--config` of its own folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capture = capture
        self.config = folder / "postwicket.toml"
        self.config.write_text('hostname = "mail.example.org"\ndata = "data"\n')
        self.data = folder / "data"

    def bare(self, *words: str, stdin: str = "") -> Said:
        """Call without --config."""
        self.capture.readouterr()
        before, sys.stdin = sys.stdin, io.StringIO(stdin)
        try:
            status = main(words)
        finally:
            sys.stdin = before
        out, err = self.capture.readouterr()
        return Said(status, out, err)

    def __call__(self, *words: str, stdin: str = "") -> Said:
        """Call with --config behind the command."""
        return self.bare(*words, "--config", str(self.config), stdin=stdin)

    def json(self, *words: str, stdin: str = "") -> Any:
        """Call with --json and return the document; the call must succeed."""
        said = self(*words, "--json", stdin=stdin)
        assert said.status == 0, said.err
        return said.document

    def accept(
        self,
        *recipients: str,
        state: State | None = None,
        sender: str = "ann@example.org",
        body: bytes = BODY,
        header: bytes = HEADER,
        subject: str = "Grüße",
        demands: Demands = NO_DEMANDS,
    ) -> str:
        """Put a message into the queue, settled as `state` if one is given; return its id."""
        self.data.mkdir(exist_ok=True)
        new = _new(recipients, sender=sender, header=header, body=body, subject=subject)
        new = replace(new, message=replace(new.message, demands=demands))

        async def store() -> None:
            queue = open_queue(self.data, asyncio.get_running_loop())
            try:
                assert await queue.accept(new) is None
                if state is not None:
                    await queue.settle([_settled(new, n, state) for n in range(len(recipients))])
            finally:
                await queue.close()

        asyncio.run(store())
        return spell(new.message.id)


def _new(
    recipients: tuple[str, ...], *, sender: str, header: bytes, body: bytes, subject: str
) -> NewMessage:
    now = time.time()
    key = IDS.next(now)
    message = Message(
        id=key,
        account="ann@example.org",
        envelope=Envelope(
            Sender(address=Address.parse(sender)),
            tuple(Recipient(Address.parse(one)) for one in recipients),
        ),
        size=len(header) + len(body),
        received=now,
        expires=now + 432_000,
        message_id="<1@example.org>",
        subject=subject,
    )
    entry = Accepted(
        at=now,
        message=key,
        account="ann@example.org",
        sender=sender,
        recipients=len(recipients),
        size=message.size,
        peer="192.0.2.7",
        helo="laptop",
        listener="submission 0.0.0.0:587",
        tls="TLSv1.3",
        credential="printer",
    )
    return NewMessage(
        message=message,
        header=header,
        body=SmallBody(body),
        entry=entry,
        claimed_by=1,
        lease_until=now + 300,
    )


def _settled(new: NewMessage, index: int, state: State) -> Settlement:
    now = time.time()
    recipient = new.message.envelope.recipients[index]
    due = now + 3600 if state is State.DEFERRED else None
    reply = "" if state is State.CAPTURED else "450 4.2.0 Come back later"
    return Settlement(
        delivery=Delivery(
            message=new.message.id, number=index + 1, recipient=recipient, due=new.lease_until
        ),
        claimed_by=1,
        state=state,
        due=due,
        attempt=Attempt(
            at=now,
            seconds=0.2,
            route="upstream:relay",
            remote="relay.example [192.0.2.9]:587",
            tls="TLSv1.3",
            reply=reply,
            transcript="C: EHLO mail.example.org\nS: 250 relay.example",
        ),
        entry=Settled(
            at=now,
            message=new.message.id,
            delivery=index + 1,
            recipient=str(recipient.address),
            state=state.value,
            route="upstream:relay",
            attempts=1,
            remote="relay.example [192.0.2.9]:587",
            reply=reply,
            cause="rate" if reply else "",
            next_attempt=due,
        ),
        route="upstream:relay",
        cause="rate" if reply else "",
        reply=reply,
        site="relay.example",
    )
