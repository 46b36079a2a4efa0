"""The Received field: complete, and no client can write into it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.message.header import Header
from postwicket.message.received import Hop, received_field

HOP = Hop(
    hostname="mail.example.org",
    helo="client.example",
    peer="192.0.2.7",
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    authenticated=True,
)
NOON = 1893499200.0


def field(hop: Hop, recipient: str | None = None, *, smtputf8: bool = False) -> bytes:
    whom = Address.parse(recipient) if recipient else None
    return received_field(
        hop, queue_id="0123456789ABC", now=NOON, recipient=whom, smtputf8=smtputf8
    )


def test_it_says_who_how_and_when() -> None:
    assert field(HOP, "bob@example.com") == (
        b"Received: from client.example ([192.0.2.7])\r\n"
        b"\tby mail.example.org with ESMTPSA\r\n"
        b"\t(TLSv1.3 TLS_AES_256_GCM_SHA384) id 0123456789ABC\r\n"
        b"\tfor <bob@example.com>;\r\n"
        b"\tTue, 01 Jan 2030 12:00:00 +0000\r\n"
    )


def test_several_recipients_are_not_named() -> None:
    assert b"for" not in field(HOP).split(b"id ")[1]


@pytest.mark.parametrize(
    ("extended", "tls", "authenticated", "smtputf8", "name"),
    [
        (True, "", False, False, b"ESMTP"),
        (True, "x", False, False, b"ESMTPS"),
        (True, "", True, False, b"ESMTPA"),
        (True, "x", True, False, b"ESMTPSA"),
        (True, "", False, True, b"UTF8SMTP"),
        (True, "x", True, True, b"UTF8SMTPSA"),
        (False, "x", True, False, b"SMTP"),
    ],
)
def test_the_protocol_has_its_registered_name(
    extended: bool, tls: str, authenticated: bool, smtputf8: bool, name: bytes
) -> None:
    hop = replace(HOP, extended=extended, tls=tls, authenticated=authenticated)
    assert (
        b" with " + name in field(hop, smtputf8=smtputf8).replace(b"\r\n\t", b" ").split(b"(")[1]
    )


@pytest.mark.parametrize(
    ("peer", "literal"),
    [
        ("::ffff:192.0.2.7", b" ([192.0.2.7])"),
        ("2001:DB8::1", b" ([IPv6:2001:db8::1])"),
        ("fe80::1%eth0", b" ([IPv6:fe80::1])"),
        ("", b"example\r\n"),
        ("1.2.3.4) (evil", b"example\r\n"),
        ("\u0661.2.3.4", b"example\r\n"),
    ],
)
def test_the_peer_is_an_address_or_not_named(peer: str, literal: bytes) -> None:
    assert b"client.example" + literal.removeprefix(b"example") in field(replace(HOP, peer=peer))


@pytest.mark.parametrize(
    ("helo", "shown"),
    [
        ("x) by evil (", b"from x??by?evil?? ("),
        ("x\r\nBcc: v@x", b"from x??Bcc??v?x ("),
        ("[192.0.2.7]", b"from [192.0.2.7] ("),
        ("[IPv6:::1]", b"from [IPv6:::1] ("),
        ("]x[", b"from ?x? ("),
        ("my_pc", b"from my_pc ("),
        ("陈", b"from ? ("),
        ("", b"from unknown ("),
    ],
)
def test_a_hostile_name_is_made_harmless(helo: str, shown: bytes) -> None:
    assert shown in field(replace(HOP, helo=helo))


def test_a_utf8_recipient_is_named_with_smtputf8_only() -> None:
    assert b"for" not in field(HOP, "jürgen@example.com").split(b"id ")[1]
    assert "for <jürgen@example.com>;".encode() in field(HOP, "jürgen@example.com", smtputf8=True)


@given(helo=st.text(), peer=st.text(), tls=st.text())
def test_no_client_can_break_the_field(helo: str, peer: str, tls: str) -> None:
    raw = field(replace(HOP, helo=helo, peer=peer, tls=tls), '"a\\"b c"@example.com')
    (only,) = Header.parse(raw).fields
    assert only.raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) < 998
    outside = raw.split(b"id 0123")[0]
    assert outside.count(b"(") == outside.count(b")") <= 2
    assert outside.count(b" by ") + outside.count(b"\tby ") == 1
