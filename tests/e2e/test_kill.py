"""Promise 1: a 250 means kept, though the whole server is killed at any moment under load."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from typing import Final

import pytest

from .conftest import Serve
from .ledger import Ledger, Load
from .server import until
from .sink import Sink, Taken

ROUNDS: Final = int(
    os.environ.get("POSTWICKET_E2E_ROUNDS") or ("20" if os.environ.get("CI") else "6")
)
CLIENTS: Final = 4
RELOADS: Final = 5
SETTINGS: Final = """\
[[route]]
via = "upstream:sink"

[[upstream]]
name = "sink"
host = "127.0.0.1"
port = {port}
tls = "none"

[queue]
retry = ["1s"]

[limits]
messages_per_day = 1_000_000
recipients_per_day = 1_000_000
"""


def test_nothing_that_was_acknowledged_is_lost(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random()
    ledger = Ledger()
    with Sink() as sink:
        server = serve(settings=SETTINGS.format(port=sink.port))
        load = Load(server, server.account("ann@example.org"), ledger, clients=CLIENTS)
        try:
            for _ in range(ROUNDS):
                time.sleep(chance.uniform(0.2, 1.5))
                server.kill()
                # What arrived and is not noted as such will arrive once more, and nothing else.
                waiting = {row["recipient"] for row in server.queue()}
                ledger.expected_again.update(waiting & set(sink.recipients()))
                server.start()
        finally:
            load.stop()
        until(lambda: not server.queue(), patience=60)
        server.stop()
        balance = ledger.balance(sink.taken)
    with capsys.disabled():
        sys.stdout.write(f"\n{ROUNDS} rounds of kill -9 with {CLIENTS} clients: {balance}\n")
    assert balance.acked > 10 * ROUNDS
    assert not balance.lost
    assert not balance.phantom
    assert not balance.corrupt
    assert not balance.unexplained


def test_a_reload_under_load_costs_nobody_anything(serve: Serve) -> None:
    ledger = Ledger()
    with Sink() as sink:
        server = serve(settings=SETTINGS.format(port=sink.port))
        load = Load(server, server.account("ann@example.org"), ledger, clients=CLIENTS)
        try:
            for number in range(1, RELOADS + 1):
                server.signal(signal.SIGHUP)
                server.wait_for("configuration reloaded", count=number)
                time.sleep(0.3)
        finally:
            load.stop()
        until(lambda: not server.queue())
        server.stop()
        balance = ledger.balance(sink.taken)
    assert load.troubles == []
    assert len(ledger.known) > 10 * RELOADS
    assert ledger.those("acked") == set(ledger.known)
    assert not balance.lost
    assert not balance.corrupt
    assert balance.duplicates == 0


def test_the_ledger_sees_every_kind_of_fault() -> None:
    ledger = Ledger()
    kept, lost, refused, twice = (ledger.new()[0] for _ in range(4))
    ledger.known |= {kept: "acked", lost: "acked", refused: "refused", twice: "unknown"}
    good = b"X-Hash: " + hashlib.sha256(b"body").hexdigest().encode() + b"\r\n\r\nbody"
    bad = good + b"!"
    arrived = ((kept, bad), (refused, good), (twice, good), (twice, good))
    taken = [Taken(sender="", recipients=(one,), content=content) for one, content in arrived]
    balance = ledger.balance(taken)
    assert balance.lost == {lost}
    assert balance.phantom == {refused}
    assert balance.corrupt == {kept}
    assert (balance.duplicates, balance.unexplained) == (1, {twice})
    ledger.expected_again[twice] += 1
    assert not ledger.balance(taken).unexplained
