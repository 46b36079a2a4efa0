"""Notices: others' parsers read them, and nobody can write into them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Envelope, Notify, Recipient, Sender
from postwicket.message.header import Header
from postwicket.message.notice import (
    LARGEST_QUOTE,
    Action,
    Notice,
    Original,
    Result,
    build_notice,
)

NOON = 1893499200.0
ANN = Address.parse("ann@example.org")
BOB = Recipient(Address.parse("bob@example.com"), orcpt="rfc822;bob+2Bold@example.com")
ORIGINAL = Original(
    envelope=Envelope(Sender(address=ANN, envid="QQ+2B314159"), (BOB,)),
    header=b"From: ann@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n",
    body=b"\r\nThe text.\r\n",
    queue_id="0123456789ABC",
    received=NOON - 60,
)
FAILED = Result(
    recipient=BOB,
    action=Action.FAILED,
    status="5.1.1",
    diagnostic="550 5.1.1 No such person here, and there never was one of that name in this house",
    remote="mx.example.com",
    last_attempt=NOON,
)


def build(*results: Result, original: Original = ORIGINAL) -> Notice:
    return build_notice(
        original,
        results or (FAILED,),
        hostname="mail.example.org",
        now=NOON,
        message_id="n1@mail.example.org",
        boundary="=_random",
    )


def ret(value: str, **changes: object) -> Original:
    sender = replace(ORIGINAL.envelope.sender, ret=value)
    changed: Original = replace(ORIGINAL, **changes)  # type: ignore[arg-type]  # any of its fields
    return replace(changed, envelope=replace(ORIGINAL.envelope, sender=sender))


def parsed(notice: Notice) -> tuple[EmailMessage, list[Message]]:
    whole = email.message_from_bytes(notice.header + notice.body, policy=email.policy.default)
    assert isinstance(whole, EmailMessage)
    defects = [(part.get_content_type(), part.defects) for part in whole.walk() if part.defects]
    assert not defects
    return whole, list(whole.iter_parts())


def test_it_is_a_report_with_three_parts() -> None:
    whole, parts = parsed(build())
    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in parts] == [
        *("text/plain", "message/delivery-status", "text/rfc822-headers")
    ]


def test_its_header_makes_nobody_answer() -> None:
    whole, _ = parsed(build())
    assert whole["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.org>"
    assert whole["To"] == "ann@example.org"
    assert whole["Subject"] == "Not delivered: Hello"
    assert whole["Auto-Submitted"] == "auto-replied"
    assert whole["In-Reply-To"] == whole["References"] == "<1@example.org>"
    assert whole["Message-ID"] == "<n1@mail.example.org>"


def test_it_travels_with_the_empty_return_path() -> None:
    envelope = build().envelope
    assert envelope.sender == Sender(address=None)
    assert envelope.recipients == (Recipient(ANN, frozenset({Notify.NEVER})),)


def test_programs_read_every_field() -> None:
    _, (_, status, _) = parsed(build())
    message, recipient = [dict(block) for block in status.get_payload()]  # type: ignore[arg-type]  # blocks
    assert message == {
        "Reporting-MTA": "dns; mail.example.org",
        "Original-Envelope-Id": "QQ+314159",
        "Arrival-Date": "Tue, 01 Jan 2030 11:59:00 +0000",
        "X-Queue-Id": "0123456789ABC",
    }
    assert recipient == {
        "Original-Recipient": "rfc822; bob+old@example.com",
        "Final-Recipient": "rfc822; bob@example.com",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.com",
        "Diagnostic-Code": f"smtp; {FAILED.diagnostic}",
        "Last-Attempt-Date": "Tue, 01 Jan 2030 12:00:00 +0000",
    }


def test_a_delay_says_how_long() -> None:
    late = replace(FAILED, action=Action.DELAYED, status="4.4.1", retry_until=NOON + 60)
    body = build(late).body
    assert b"Action: delayed\r\nStatus: 4.4.1\r\n" in body
    assert b"Will-Retry-Until: Tue, 01 Jan 2030 12:01:00 +0000\r\n" in body


@pytest.mark.parametrize(
    ("action", "status", "shown"),
    [
        (Action.FAILED, "4.4.1", b"5.4.1"),  # expired: the last reply was temporary
        (Action.DELAYED, "4.4.1", b"4.4.1"),
        (Action.RELAYED, "", b"2.0.0"),
        (Action.FAILED, "5.1\r\n.1", b"5.0.0"),
    ],
)
def test_the_status_fits_the_action(action: Action, status: str, shown: bytes) -> None:
    body = build(replace(FAILED, action=action, status=status)).body
    assert b"\r\nStatus: " + shown + b"\r\n" in body


def test_ret_full_returns_the_message() -> None:
    notice = build(original=ret("FULL"))
    _, parts = parsed(notice)
    assert parts[2].get_content_type() == "message/rfc822"
    assert ORIGINAL.header + (ORIGINAL.body or b"") in notice.body


@pytest.mark.parametrize(
    "body",
    [None, b"\r\n" + b"x" * LARGEST_QUOTE, b"\r\nbare\rCR", b"\r\nbare\nLF", b"\r\nNUL\0"],
)
def test_large_or_strange_bodies_are_not_returned(body: bytes | None) -> None:
    _, parts = parsed(build(original=ret("FULL", body=body)))
    assert parts[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("wish", ["", "HDRS"])
def test_the_header_is_returned_otherwise(wish: str) -> None:
    notice = build(original=ret(wish))
    assert ORIGINAL.header in notice.body
    assert b"The text." not in notice.body


def test_a_huge_header_is_cut_between_lines() -> None:
    line = b"X: " + b"a" * 60 + b"\r\n"
    notice = build(original=ret("FULL", header=line * 2000))
    assert len(notice.body) < LARGEST_QUOTE + 4000
    assert line + b"\r\n--=_random--" in notice.body
    assert len(build(original=ret("", header=b"a" * 100_000)).body) < 4000


def test_eight_bit_originals_are_announced() -> None:
    notice = build(original=ret("FULL", body="\r\nGrüße\r\n".encode()))
    whole, parts = parsed(notice)
    assert notice.envelope.sender.body is Body.EIGHT_BIT
    assert whole["Content-Transfer-Encoding"] == parts[2]["Content-Transfer-Encoding"] == "8bit"


def test_a_utf8_subject_is_encoded_for_all() -> None:
    header = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    notice = build(original=replace(ORIGINAL, header=header))
    whole, parts = parsed(notice)
    assert notice.header.isascii()
    assert notice.body.isascii()
    assert whole["Subject"] == "Not delivered: Grüße"
    assert 'subject "Grüße"' in " ".join(parts[0].get_content().split())  # type: ignore[attr-defined]  # EmailMessage


def test_utf8_addresses_make_it_global() -> None:
    juergen = Address.parse("jürgen@bücher.example")
    result = replace(FAILED, recipient=Recipient(juergen, orcpt="utf-8;jürgen@bücher.example"))
    sender = Sender(address=juergen, smtputf8=True)
    original = replace(
        ORIGINAL,
        envelope=Envelope(sender, (result.recipient,)),
        header="From: jürgen@bücher.example\r\n".encode(),
    )
    notice = build(result, original=original)
    assert notice.envelope.sender.smtputf8
    assert notice.envelope.sender.body is Body.EIGHT_BIT
    assert "To: <jürgen@bücher.example>\r\n".encode() in notice.header
    assert b"Content-Type: message/global-delivery-status\r\n" in notice.body
    assert b"Content-Type: message/global-headers\r\n" in notice.body
    assert "Original-Recipient: utf-8; jürgen@bücher.example\r\n".encode() in notice.body
    assert "Final-Recipient: utf-8; jürgen@bücher.example\r\n".encode() in notice.body


def test_the_status_part_is_ascii_whatever_a_server_says() -> None:
    notice = build(replace(FAILED, diagnostic="550 5.1.1 unbekannter Empfänger"))
    assert b"Diagnostic-Code: smtp; 550 5.1.1 unbekannter Empf\\xe4nger\r\n" in notice.body


def test_there_must_be_somebody_and_something_to_tell() -> None:
    with pytest.raises(ValueError, match="somebody to tell"):
        build(original=replace(ORIGINAL, envelope=Envelope(Sender(address=None), (BOB,))))
    with pytest.raises(ValueError, match="something to tell"):
        build_notice(ORIGINAL, (), hostname="h.example", now=NOON, message_id="1@h", boundary="b")


HOSTILE = st.text() | st.lists(
    st.sampled_from(
        [
            "\r",
            "\n",
            "\r\n",
            "\0",
            "\x85",
            "\u2028",
            "--=_random--",
            "--=_random",
            " ",
            ": x",
            "a",
            "ü",
            "Status: 2.0.0",
            "x" * 1200,
            "ü" * 600,
            "+0D+0A",
            "=?utf-8?q?=0D=0A?=",
        ]
    )
).map("".join)


@given(
    diagnostic=HOSTILE, remote=HOSTILE, why=HOSTILE, orcpt=HOSTILE, envid=HOSTILE, subject=HOSTILE,
    action=st.sampled_from(Action),
)  # fmt: skip
def test_no_stranger_can_break_a_notice(
    diagnostic: str, remote: str, why: str, orcpt: str, envid: str, subject: str, action: Action
) -> None:
    sender = Sender(address=ANN, envid=envid)
    header = b"Subject: " + subject.encode("utf-8", "replace")[:5000] + b"\r\n"
    original = replace(ORIGINAL, envelope=Envelope(sender, (BOB,)), header=header)
    recipient = replace(BOB, orcpt=f"rfc822;{orcpt}")
    notice = build(
        replace(FAILED, recipient=recipient, action=action, diagnostic=diagnostic, remote=remote,
                why=why),
        original=original,
    )  # fmt: skip
    Header.parse(notice.header)
    rest = notice.body.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    assert b"\0" not in rest
    # What came back is quoted as it is; everything before it is ours.
    ours, _, _ = notice.body.partition(b"Content-Type: text/rfc822-headers")
    assert ours.count(b"\r\n--=_random") == 3
    assert max(len(line) for line in ours.split(b"\r\n")) < 998
    status = ours.partition(b"Content-Description: Delivery status")[2]
    assert status.count(b"\r\nStatus: ") == 1
    assert status.count(b"\r\nAction: ") == 1


@given(st.binary(), st.none() | st.binary())
def test_any_original_is_quoted_cleanly(header: bytes, body: bytes | None) -> None:
    notice = build(original=ret("FULL", header=header, body=body))
    Header.parse(notice.header)
    assert not {13, 10, 0} & set(notice.body.replace(b"\r\n", b""))
    assert notice.body.endswith(b"\r\n--=_random--\r\n")
