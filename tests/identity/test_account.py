"""Who may write as whom."""

from __future__ import annotations

import pytest

from postwicket.core.address import Address
from postwicket.identity.account import Account, Grant

ANN = Account(
    id=1,
    address="ann@example.org",
    grants=frozenset({Grant.parse("news@example.com"), Grant.parse("@shop.example")}),
)


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("ann@example.org", True),
        ("Ann@EXAMPLE.org", True),
        ("news@example.com", True),
        ("anybody@shop.example", True),
        ("anybody@sub.shop.example", False),
        ("anybody@notshop.example", False),
        ("bob@example.org", False),
        ("other@example.com", False),
    ],
)
def test_own_granted_and_foreign(address: str, may: bool) -> None:
    assert ANN.may_write_as(Address.parse(address)) is may


@pytest.mark.parametrize("text", ["", "@", "ann", "@bad domain", "a@b@c"])
def test_grants_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Grant.parse(text)
