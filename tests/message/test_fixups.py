"""What may be changed, and that nothing else is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.message.fixups import complete, message_date
from postwicket.message.header import Header

NOON = 1893499200.0
TRACE = b"Received: by mail.example.org\r\n"


def fixed(raw: bytes) -> bytes:
    return complete(Header.parse(raw), received=TRACE, now=NOON, message_id="1@mail.example.org")


def test_a_complete_header_gets_only_the_trace() -> None:
    raw = b"date: whenever\r\nMESSAGE-id:\r\n <x@y>\r\nSubject:  two  spaces \r\n"
    assert fixed(raw) == TRACE + raw


def test_what_is_missing_comes_last() -> None:
    assert fixed(b"To: bob@example.com\r\n") == (
        TRACE
        + b"To: bob@example.com\r\n"
        + b"Date: Tue, 01 Jan 2030 12:00:00 +0000\r\n"
        + b"Message-ID: <1@mail.example.org>\r\n"
    )


def test_every_bcc_goes_folds_included() -> None:
    raw = (
        b"Bcc: a@example.com,\r\n b@example.com\r\nDate: x\r\nBCC:\r\n"
        b"X-Bcc: stays\r\nResent-Bcc: c@example.com\r\nMessage-ID: <x@y>\r\n"
    )
    assert fixed(raw) == TRACE + b"Date: x\r\nX-Bcc: stays\r\nMessage-ID: <x@y>\r\n"


def test_the_date_is_utc_without_a_locale() -> None:
    assert message_date(0) == b"Thu, 01 Jan 1970 00:00:00 +0000"
    assert message_date(NOON + 0.999) == b"Tue, 01 Jan 2030 12:00:00 +0000"


NAMES = st.sampled_from([b"Bcc", b"resent-BCC", b"Date", b"Message-Id", b"To", b"X"])
FIELDS = st.builds(
    lambda name, value: name + b":" + value + b"\r\n", NAMES, st.just(b" \xff\r\n\tz")
)


@given(st.lists(FIELDS))
def test_all_other_bytes_stay_in_their_order(fields: list[bytes]) -> None:
    kept = b"".join(field for field in fields if b"bcc:" not in field.lower())
    out = fixed(b"".join(fields))
    assert out.startswith(TRACE + kept)
    assert len(Header.parse(out).get_all("bcc")) == 0
    assert fixed(out) == TRACE + out
