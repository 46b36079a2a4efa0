"""Load with a memory: what each client was told about each message, against what arrived.

Each message has a number of its own, as its recipient, and carries the hash of its random body.
With several domains it has a recipient in each, and each is a line of its own in the ledger.
A client notes the last thing it knows: `unsent` (the final dot was never written), `unknown` (it
was, and the connection ended without an answer), `acked` (250) or `refused` (any other answer).
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import smtplib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from .server import Postwicket, SignIn
from .sink import Taken

DOMAIN: Final = "ledger.example"
MESSAGES_PER_SESSION: Final = 5
_HASH: Final = re.compile(rb"X-Hash: ([0-9a-f]{64})\r\n")


@dataclass(slots=True)
class Ledger:
    """What clients know, by recipient; `expected_again` counts kills in between."""

    domains: tuple[str, ...] = (DOMAIN,)
    known: dict[str, str] = field(default_factory=dict)
    expected_again: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def new(self) -> tuple[str, ...]:
        """Return the recipients of a new message."""
        with self.lock:
            number = len(self.known)
            recipients = tuple(f"m{number}@{domain}" for domain in self.domains)
            self.note(recipients, "unsent")
            return recipients

    def note(self, recipients: Iterable[str], state: str) -> None:
        """Write down the last thing that is known of a message."""
        self.known |= dict.fromkeys(recipients, state)

    def those(self, *states: str) -> set[str]:
        """Return the messages about which this is known."""
        return {recipient for recipient, state in self.known.items() if state in states}

    def balance(self, arrived: Iterable[Taken]) -> Balance:
        """Compare with what arrived."""
        messages = list(arrived)
        counts = Counter(recipient for one in messages for recipient in one.recipients)
        delivered = set(counts)
        again = {recipient: count - 1 for recipient, count in counts.items() if count > 1}
        return Balance(
            sent=len(self.known),
            acked=len(self.those("acked")),
            delivered=len(delivered),
            lost=self.those("acked") - delivered,
            phantom=delivered - self.those("acked", "unknown"),
            corrupt={one.recipients[0] for one in messages if not _intact(one.content)},
            duplicates=sum(again.values()),
            unexplained={
                recipient
                for recipient, count in again.items()
                if count > self.expected_again[recipient]
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The result; only `duplicates` may be more than nothing, and each needs its kill.

    `unexplained` are those that arrived again although no kill fell between the final dot
    and the commit that would have noted it.
    """

    sent: int
    acked: int
    delivered: int
    lost: set[str]
    phantom: set[str]
    corrupt: set[str]
    duplicates: int
    unexplained: set[str]

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, acknowledged {self.acked}, delivered {self.delivered}, "
            f"lost {len(self.lost)}, phantom {len(self.phantom)}, corrupt {len(self.corrupt)}, "
            f"duplicates {self.duplicates} (unexplained {len(self.unexplained)})"
        )


class Load:
    """Clients that send without pause, whatever happens to the server, until stopped.

    `troubles` are the sessions that ended otherwise than by QUIT.
    """

    def __init__(self, server: Postwicket, who: SignIn, ledger: Ledger, *, clients: int) -> None:
        self._server = server
        self._who = who
        self._ledger = ledger
        self._stop = threading.Event()
        self.troubles: list[str] = []
        self._threads = [
            threading.Thread(target=self._client, args=(number,)) for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client finish what it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs"

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        while not self._stop.is_set():
            # While the server is down there is nobody to connect to.
            try:
                self._session(number, chance)
            except (OSError, smtplib.SMTPException, StopIteration) as trouble:
                self.troubles.append(repr(trouble))
                time.sleep(0.05)

    def _session(self, number: int, chance: random.Random) -> None:
        tls = "starttls" if number % 2 else "implicit"
        context = ssl.create_default_context(cafile=self._server.data / "ca.pem")
        port = self._server.port(tls)
        client = (
            smtplib.SMTP("localhost", port, timeout=20)
            if tls == "starttls"
            else smtplib.SMTP_SSL("localhost", port, timeout=20, context=context)
        )
        with contextlib.closing(client) as smtp:
            if tls == "starttls":
                smtp.starttls(context=context)
            smtp.login(self._who.user, self._who.password)
            for _ in range(MESSAGES_PER_SESSION):
                self._message(smtp, chance)
                if self._stop.is_set():
                    break
            smtp.quit()

    def _message(self, smtp: smtplib.SMTP, chance: random.Random) -> None:
        # Now and then one that is large enough for a file of its own.
        size = chance.choice([200, 2_000, 20_000, 20_000, 100_000])
        body = b"".join(b"%070x\r\n" % chance.getrandbits(280) for _ in range(size // 72 + 1))
        recipients, note = self._ledger.new(), self._ledger.note
        fields = f"From: {self._who.user}\r\nTo: {recipients[0]}\r\nX-Hash: "
        content = fields.encode() + hashlib.sha256(body).hexdigest().encode() + b"\r\n\r\n" + body
        answers = [smtp.mail(self._who.user), *(smtp.rcpt(one) for one in recipients)]
        if any(code != 250 for code, _ in answers) or smtp.docmd("DATA")[0] != 354:
            note(recipients, "refused")
            raise smtplib.SMTPServerDisconnected
        # The dot in a write of its own: before it, the server cannot have taken the message.
        smtp.send(content)
        note(recipients, "unknown")
        smtp.send(b".\r\n")
        note(recipients, "acked" if smtp.getreply()[0] == 250 else "refused")


def _intact(content: bytes) -> bool:
    found = _HASH.search(content)
    body = content.partition(b"\r\n\r\n")[2]
    return found is not None and hashlib.sha256(body).hexdigest().encode() == found[1]
