"""Refusals of port 25 are for good, save where trying again can help."""

from __future__ import annotations

from postwicket.core.refusal import Refusal
from postwicket.returns import refusals


def test_only_haste_is_refused_for_now() -> None:
    known = [one for one in vars(refusals).values() if isinstance(one, Refusal)]
    assert len(known) >= 9
    for_now = {one.rule for one in known if one.reply.temporary}
    assert for_now == {"returns.rate", "returns.several", "returns.too-early"}
    assert all(one.rule.startswith("returns.") and one.fix and one.why for one in known)
