"""Journal entries."""

from __future__ import annotations

import json

from postwicket.core.entry import Entry, Finding, Settled
from postwicket.core.queue_id import QueueId


def test_data_leaves_out_time_message_and_what_is_empty() -> None:
    entry = Settled(
        at=1.0, message=QueueId(5), delivery=1, recipient="b@c.example", state="failed"
    )
    assert entry.data() == {
        "delivery": 1,
        "recipient": "b@c.example",
        "state": "failed",
        "attempts": 0,
    }


def test_every_kind_has_its_own_name_and_json_values() -> None:
    kinds = {kind.__name__: kind.kind for kind in Entry.__subclasses__()}
    assert len(set(kinds.values())) == len(kinds)
    finding = Finding(at=1, rule="r", cause="c", why="w", peer="p", listener="l", fix="f")
    assert json.loads(json.dumps(finding.data()))["rule"] == "r"
