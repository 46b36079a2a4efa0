"""Mailbox addresses: what is one, what is none, and which are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.org",
        "a.b+c=d@sub.example.org",
        '"a b"@example.org',
        '"a\\"b"@example.org',
        "postmaster@[192.0.2.1]",
        "postmaster@[IPv6:2001:db8::1]",
        "böb@bücher.example",
        "ann@localhost",
        "o'hara@example.org",
        "${run{id}}@example.org",
    ],
)
def test_addresses(text: str) -> None:
    assert str(Address.parse(text)).partition("@")[0] == text.rpartition("@")[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "a b@example.org",
        "ann@exa mple.org",
        "ann@example..org",
        ".ann@example.org",
        "ann.@example.org",
        "a@b@example.org",
        "@relay.example:ann@example.org",
        "ann@-example.org",
        "ann@example.org\r\nRCPT TO:<eve@example.com>",
        "ann\x00@example.org",
        "ann(comment)@example.org",
        "<ann@example.org>",
        "ann@[300.1.1.1]",
        "ann@[IPv6:1.2.3.4]",
        "ann@[IPv6:fe80::1%eth0]",
        "ann@[IPv6:fe80::1%> SIZE=1]",
        "ann@[IPv6:fe80::1%ü]",
        "a" * 65 + "@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + ".".join(["b" * 60] * 5),
        "a\u200bb@example.org",
        "a\u202eb@example.org",
        "ann@example\uff0eorg\u3002",
        '"a\tb"@example.org',
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Address.parse(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@example.org", "ANN@EXAMPLE.ORG"),
        ('"ann"@example.org', "ann@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("café@example.org", "cafe\u0301@example.org"),
    ],
)
def test_the_same_mailbox(one: str, other: str) -> None:
    assert Address.parse(one) == Address.parse(other)
    assert len({Address.parse(one), Address.parse(other)}) == 1


def test_different_mailboxes() -> None:
    assert Address.parse("ann@example.org") != Address.parse("аnn@example.org")  # noqa: RUF001
    assert Address.parse('"a b"@example.org') != Address.parse("ab@example.org")


@given(st.text(max_size=100))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address
    assert address.wire_domain.isascii()
    assert not any(char in str(address) for char in "\r\n\0")
