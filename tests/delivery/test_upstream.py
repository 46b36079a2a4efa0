"""An upstream is a way with one host, and forgets what it read when that did not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from postwicket.config.transport import Upstream
from postwicket.delivery.dialling import Unreached
from postwicket.delivery.upstream import bounds_of, way_to
from postwicket.smtp.client.answer import Answer, Stage, Trouble

RELAY = Upstream(name="relay", host="relay.example", tls="none", port=25, connections=3)


def test_the_way_has_one_host() -> None:
    way = way_to(RELAY, "us.example", (), "127.0.0.1")
    assert [host.name for host in way.in_order(list)] == ["relay.example"]
    assert (way.key, way.source) == (("relay", "127.0.0.1"), "127.0.0.1")
    opening, tls = way.groups[0][0].terms()
    assert (opening.hostname, tls) == ("us.example", None)
    assert way.groups[0][0].once_more(Answer(Stage.CONNECT, None, Trouble.LOST)) == ""


def test_a_missing_authority_is_told(tmp_path: Path) -> None:
    relay = RELAY.model_copy(update={"tls": "starttls", "ca": tmp_path / "ca.pem"})
    ((host,),) = way_to(relay, "us.example", (), "").groups
    with pytest.raises(Unreached, match=r"ca\.pem"):
        host.terms()


def test_bounds() -> None:
    assert bounds_of(RELAY).rule.connections == 3
