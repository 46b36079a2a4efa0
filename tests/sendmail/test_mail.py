"""What programs write becomes what SMTP carries."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.sendmail import mail, status


def parse(data: bytes, *, ignore_dots: bool = True) -> mail.Mail:
    return mail.parse(data, ignore_dots=ignore_dots)


def complete(data: bytes, *, name: str = "", blind: bool = True) -> bytes:
    message = parse(data)
    mail.complete(
        message, sender="ann@example.org", name=name, hostname="mail.example.org", blind=blind
    )
    return message.content()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\r\r\n"])
def test_every_line_end_becomes_one(end: bytes) -> None:
    lines = [b"Subject: a", b"", b"one", b"", b"two"]
    assert parse(end.join(lines) + end).content() == b"Subject: a\r\n\r\none\r\n\r\ntwo\r\n"


def test_a_lone_dot_ends_unless_told_otherwise() -> None:
    data = b"Subject: a\n\none\n.\ntwo\n"
    assert parse(data, ignore_dots=False).body == b"one\r\n"
    assert parse(data).body == b"one\r\n.\r\ntwo\r\n"
    assert parse(b".\nx\n", ignore_dots=False).content() == b"\r\n"
    assert parse(b"\na\n.", ignore_dots=False).body == b"a\r\n"
    assert parse(b"\na\n..\n.b\n", ignore_dots=False).body == b"a\r\n..\r\n.b\r\n"


def test_where_the_header_ends() -> None:
    assert parse(b"hello\nworld\n").content() == b"\r\nhello\r\nworld\r\n"
    assert parse(b"Subject: a\nhello\n").content() == b"Subject: a\r\n\r\nhello\r\n"
    assert parse(b"Subject: a\n\tb\n \nx\n").content() == b"Subject: a\r\n\tb\r\n\r\nx\r\n"
    assert parse(b"From ann Mon\nSubject: a\n\n").content() == b"Subject: a\r\n\r\n"
    assert parse(b"").content() == b"\r\n"


def test_bytes_that_need_no_change_keep_their_spelling() -> None:
    data = (
        b"FROM:ann@example.org\r\nsUbJect:  spaced \xff\r\nTo : b@example.org\r\nDate: x\r\n"
        b"Message-Id: <a@b>\r\n\r\n\xff\x00 body \r\n"
    )
    assert complete(data) == data


def test_missing_fields_are_added() -> None:
    message = message_from_bytes(complete(b"Subject: a\n\nx\n", name="Änn O'Neil"), policy=SMTP)
    assert str(message["From"]) == "Änn O'Neil <ann@example.org>"
    assert message["To"] == "undisclosed-recipients:;"
    assert re.fullmatch(r"<[0-9a-f]{24}@mail\.example\.org>", str(message["Message-ID"]))
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content() == "x\r\n"


def test_a_name_cannot_bring_a_field_along() -> None:
    header = complete(b"\nx\n", name="Ann\r\nBcc: victim@example.com").partition(b"\r\n\r\n")[0]
    assert b"\r\nBcc" not in header


def test_bcc_goes_when_recipients_came_from_the_header() -> None:
    data = b"To: a@example.org\nBcc: b@example.org,\n c@example.org\nSubject: s\n\n"
    assert b"example.org,\r\n c@" not in complete(data)
    assert b"Subject: s" in complete(data)
    assert b"Bcc: b@example.org,\r\n c@example.org\r\n" in complete(data, blind=False)


def test_cron_gets_its_domain() -> None:
    data = b"From: root (Cron Daemon)\nTo: ops, root\nCc: undisclosed:;\n\n"
    assert complete(data).startswith(
        b"From: Cron Daemon <root@mail.example.org>\r\n"
        b"To: ops@mail.example.org, root@mail.example.org\r\n"
        b"Cc: undisclosed:;\r\n"
    )


def test_recipients_of_a_header() -> None:
    found = mail.recipients_of(
        parse(b'To: "B, b" <b@example.org>,\n c@example.org\ncc: d\nBCC: Eve <e@example.org>\n\n')
    )
    assert found == ["b@example.org", "c@example.org", "d", "e@example.org"]
    resent = parse(b"To: a@example.org\nResent-To: r@example.org\nResent-Bcc: s@example.org\n\n")
    assert mail.recipients_of(resent) == ["r@example.org", "s@example.org"]


def test_addresses_get_a_domain_or_are_refused() -> None:
    assert mail.qualify("root", "mail.example.org") == "root@mail.example.org"
    assert mail.qualify("jürgen@bücher.example", "x") == "jürgen@bücher.example"
    for wrong in ("a@b>\r\nRCPT TO:<c@d", "a<b@c", "a" * 400):
        with pytest.raises(status.Failed, match="is not an address"):
            mail.qualify(wrong, "mail.example.org")


@given(st.binary(), st.booleans())
def test_any_bytes_become_clean_lines(data: bytes, ignore_dots: bool) -> None:
    message = parse(data, ignore_dots=ignore_dots)
    mail.complete(message, sender="a@b.example", name="", hostname="b.example", blind=True)
    mail.recipients_of(message)
    rest = message.content().replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest


@given(st.binary())
def test_parsing_twice_changes_nothing(data: bytes) -> None:
    once = parse(data).content()
    assert parse(once).content() == once
