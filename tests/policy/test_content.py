"""What a header must be before it goes out under our name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.refusal import Refusal
from postwicket.identity.account import Account, Grant
from postwicket.message.header import Header, MalformedHeader
from postwicket.policy.content import content_refusal

ANN = Account(
    id=1,
    address="ann@example.org",
    grants=frozenset({Grant.parse("news@example.org"), Grant.parse("@shop.example")}),
)
FROM = b"From: Ann <ann@example.org>\r\n"


def judge(raw: bytes, *, account: Account | None = ANN, smtputf8: bool = False) -> Refusal | None:
    return content_refusal(Header.parse(raw), account=account, smtputf8=smtputf8)


def reply(raw: bytes, *, account: Account | None = ANN, smtputf8: bool = False) -> str:
    refusal = judge(raw, account=account, smtputf8=smtputf8)
    assert refusal is not None
    assert refusal.why
    assert refusal.fix
    return str(refusal.reply)


def test_an_ordinary_header_passes() -> None:
    raw = (
        FROM
        + b"Sender: news@example.org\r\nTo: bob@example.com\r\nSubject: =?utf-8?q?=C3=BC?=\r\n"
        + b"Date: Tue, 01 Jan 2030 12:00:00 +0100\r\nMessage-ID: <1.2@example.org>\r\n"
        + b"Resent-From: a@shop.example, b@shop.example\r\nReceived: a\r\nReceived: b\r\n"
    )
    assert judge(raw) is None
    assert judge(FROM) is None


def test_the_fifty_first_hop_is_a_loop() -> None:
    assert judge(b"Received: x\r\n" * 50 + FROM) is None
    answer = reply(b"Received: x\r\n" * 51 + FROM)
    assert answer == "554 5.4.6 This message passed 51 servers: a mail loop [content.loop]"


def test_from_is_needed() -> None:
    assert reply(b"To: bob@example.com\r\n").startswith("550 5.7.1 The From field is missing")
    assert "[content.from-missing]" in reply(b"")


def test_from_comes_once() -> None:
    assert reply(FROM + b"FROM: eve@example.com\r\n") == (
        "550 5.7.1 There are 2 From fields: keep one [content.from-duplicate]"
    )


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (b"", "content.from-invalid"),
        (b"Ann", "content.from-invalid"),
        (b"ann@example.org <eve@example.com>", "content.from-invalid"),
        (b"=?utf-8?q?a=40evil?=@example.org", "content.from-invalid"),
        (b"team: ann@example.org;", "content.from-invalid"),
        (b"<@evil.example:ann@example.org>", "content.from-invalid"),
        (b"<ann@example.org>evil@example.com", "content.from-invalid"),
        (b"ann@example.org, news@example.org", "content.from-several"),
        (b"eve@example.com", "sender.header-not-yours"),
        (b'"ann@example.org" <eve@example.com>', "sender.header-not-yours"),
        (b"ann@example.org.evil.example", "sender.header-not-yours"),
    ],
)
def test_from_is_one_mailbox_of_yours(value: bytes, rule: str) -> None:
    assert reply(b"From: " + value + b"\r\n").endswith(f"[{rule}]")


def test_a_foreign_from_is_named_with_the_way_out() -> None:
    assert reply(b"From: Eve <eve@example.com>\r\n") == (
        "553 5.7.1 The field From says eve@example.com, which is not yours: use ann@example.org,"
        " or ask the operator to grant you eve@example.com [sender.header-not-yours]"
    )


@pytest.mark.parametrize("name", [b"Sender", b"Resent-From", b"Resent-Sender"])
def test_the_other_speakers_are_yours_too(name: bytes) -> None:
    assert "eve@example.com" in reply(FROM + name + b": eve@example.com\r\n")
    assert "-invalid]" in reply(FROM + name + b": eve\r\n")
    assert judge(FROM + name + b": ANN@Example.org\r\n") is None
    assert judge(FROM + name + b": x@shop.example\r\n") is None


def test_a_second_resent_block_is_checked_as_the_first() -> None:
    raw = FROM + b"Resent-From: ann@example.org\r\nResent-From: eve@example.com\r\n"
    assert "eve@example.com" in reply(raw)


def test_sender_is_one_mailbox() -> None:
    raw = FROM + b"Sender: ann@example.org, news@example.org\r\n"
    assert reply(raw).endswith("[content.sender-several]")


def test_without_an_account_only_the_form_is_judged() -> None:
    assert judge(b"From: eve@example.com\r\n", account=None) is None
    assert judge(b"From: eve\r\n", account=None) is not None


@pytest.mark.parametrize(
    "name",
    [
        *("Date", "Sender", "Reply-To", "To", "Cc", "Subject", "Message-ID", "In-Reply-To"),
        *("References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    ],
)
def test_what_comes_once_comes_once(name: str) -> None:
    line = f"{name}: x\r\n".encode()
    assert reply(FROM + line + line.upper()) == (
        f"550 5.7.1 There are 2 {name} fields: keep one [content.duplicate-header]"
    )


@pytest.mark.parametrize(
    "value",
    [
        b"<a@b>",
        b"<1.2..3.@mail.example.org>",
        b"\r\n <a@[192.0.2.1]>",
        b'<"a b"@c>',
        b"<a@b> (comment)",
        b"<" + b"a" * 496 + b"@b>",
    ],
)
def test_message_ids_of_every_kind_pass(value: bytes) -> None:
    assert judge(FROM + b"Message-ID: " + value + b"\r\n") is None


@pytest.mark.parametrize("value", [b"", b"a@b", b"<a>", b"<a@b@c>", b"<a b@c>", b"<a@b><c@d>"])
def test_a_message_id_that_is_none_is_refused(value: bytes) -> None:
    answer = reply(FROM + b"Message-ID: " + value + b"\r\n")
    assert answer.startswith("550 5.7.1 ")
    assert answer.endswith("[content.message-id-invalid]")


def test_a_date_that_is_none_is_refused() -> None:
    assert reply(FROM + b"Date: 31 Feb 2030 12:00:00 GMT\r\n") == (
        "550 5.7.1 The Date field is not valid, there is no such day: mend it or leave it out"
        " [content.date-invalid]"
    )


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ((b"X: " + b"a" * 1019 + b"\r\n") * 501, "content.header-size"),
        (b"X:\r\n" * 5000, "content.header-fields"),
        (b"X: " + b"a" * 32768 + b"\r\n", "content.field-size"),
        (b"Subject: " + b"a" * 999 + b"\r\n", "content.subject-size"),
        (b"Message-ID: <" + b"a" * 497 + b"@b>\r\n", "content.message-id-size"),
    ],
)
def test_a_header_has_limits(raw: bytes, rule: str) -> None:
    answer = reply(FROM + raw)
    assert answer.startswith("552 5.3.4 ")
    assert answer.endswith(f"[{rule}]")


@pytest.mark.parametrize("name", [b"To", b"Cc", b"Bcc", b"References"])
def test_lists_may_be_longer(name: bytes) -> None:
    assert judge(FROM + name + b": " + b"a" * 40_000 + b"\r\n") is None


def test_the_longest_subject_passes() -> None:
    assert judge(FROM + b"Subject: " + b"a" * 997 + b"\r\n a\r\n") is not None
    assert judge(FROM + b"Subject: " + b"a" * 998 + b"\r\n") is None


def test_text_may_be_utf8_without_smtputf8() -> None:
    assert judge(FROM + "Subject: Grüße\r\nX-Note: ü\r\n".encode()) is None


@pytest.mark.parametrize("smtputf8", [False, True])
def test_octets_of_an_unnamed_charset_are_refused(smtputf8: bool) -> None:
    answer = reply(FROM + b"Subject: Gr\xfc\xdfe\r\n", smtputf8=smtputf8)
    assert answer.startswith("550 5.6.0 The field Subject has octets that are not UTF-8")
    assert answer.endswith("[content.charset]")


@pytest.mark.parametrize("name", ["To", "Cc", "Bcc", "Reply-To", "Sender", "Resent-To"])
def test_among_addresses_utf8_needs_smtputf8(name: str) -> None:
    raw = FROM + f"{name}: Jürgen <ann@example.org>\r\n".encode()
    answer = reply(raw)
    assert answer.startswith(f"550 5.6.7 The field {name} is not ASCII")
    assert answer.endswith("[content.smtputf8-needed]")
    assert judge(raw, smtputf8=True) is None


@given(st.binary(max_size=60), st.sampled_from([b"From", b"Sender", b"Date", b"Message-ID", b"X"]))
def test_any_value_is_answered(value: bytes, name: bytes) -> None:
    try:
        header = Header.parse(FROM + name + b": " + value + b"\r\n")
    except MalformedHeader:
        return
    refusal = content_refusal(header, account=ANN)
    assert refusal is None or not refusal.reply.positive
