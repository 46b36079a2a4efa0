"""Promises 1 and 2 on the way to the world: two recipients at different receivers, and kill -9.

Nothing that was acknowledged is lost.  What arrives twice had its final reply lost with the
server, and its trace says `uncertain`.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from typing import Final

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.ledger import Ledger, Load
from tests.e2e.server import until
from tests.e2e.sink import Taken

from . import misdeeds
from .laboratory import Laboratory

ROUNDS: Final = 6
CLIENTS: Final = 3
LOOKED_AT: Final = 12  # traces of messages that arrived twice


def test_nothing_is_lost_and_what_comes_twice_is_marked(
    laboratory: Laboratory, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = [laboratory.misbehaving(f"kill-{name}", misdeeds.polite()) for name in ("a", "b")]
    ledger = Ledger(domains=tuple(site.domain for site in sites))

    def arrived() -> list[Taken]:
        return [
            Taken(sender=mail.sender, recipients=(mail.recipient,), content=mail.content)
            for site in sites
            for mail in list(site.visits.whole)
        ]

    chance = random.Random()
    server = serve(settings=laboratory.settings(route='uncertain_pause = "1s"'))
    load = Load(server, server.account("ann@example.org"), ledger, clients=CLIENTS)
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0.3, 1.2))
            server.kill()
            there = {one.recipients[0] for one in arrived()}
            waiting = {row["recipient"] for row in server.queue()}
            ledger.expected_again.update(waiting & there)
            server.start()
    finally:
        load.stop()
    until(lambda: not server.queue(), patience=60)
    balance = ledger.balance(arrived())
    with capsys.disabled():
        sys.stdout.write(f"\n{ROUNDS} rounds of kill -9, two receivers: {balance}\n")
    assert balance.acked > 10 * ROUNDS
    assert not balance.lost
    assert not balance.phantom
    assert not balance.corrupt
    assert not balance.unexplained
    counts = Counter(one.recipients[0] for one in arrived())
    twice = [recipient for recipient, count in counts.items() if count > 1]
    for recipient in twice[:LOOKED_AT]:
        (life,) = server.ask("trace", recipient)
        story = [one for one in life["happenings"] if one.get("recipient") == recipient]
        assert [one["state"] for one in story] == ["uncertain"] * (len(story) - 1) + ["delivered"]
        assert len(story) >= counts[recipient]
    server.stop()
