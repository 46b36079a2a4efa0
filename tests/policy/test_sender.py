"""Who may send as whom."""

from __future__ import annotations

from postwicket.core.address import Address
from postwicket.identity.account import Account, Grant
from postwicket.policy.sender import may_send_as

ANN = Account(id=1, address="ann@example.org", grants=frozenset({Grant("@shop.example")}))


def test_own_address_granted_domain_and_empty_return_path() -> None:
    assert may_send_as(ANN, Address.parse("ann@example.org")) is None
    assert may_send_as(ANN, Address.parse("news@shop.example")) is None
    assert may_send_as(ANN, None) is None


def test_somebody_else() -> None:
    refusal = may_send_as(ANN, Address.parse("bob@example.com"))
    assert refusal is not None
    assert str(refusal.reply).startswith("553 5.7.1 ann@example.org may not send as bob@")
    assert refusal.rule == "sender.not-yours"
    assert "account grant ann@example.org bob@example.com" in refusal.fix


def test_any_address_fits_into_the_reply() -> None:
    refusal = may_send_as(ANN, Address.parse('"a\\\\ b"@example.com'))
    assert refusal is not None
    assert refusal.reply.wire.endswith(b"\r\n")
