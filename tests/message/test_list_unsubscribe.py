"""The fields by which a newsletter is left: added where they are missing, never changed."""

from __future__ import annotations

import pytest

from postwicket.message.header import Header
from postwicket.message.list_unsubscribe import unsubscribe_fields

LINK = "https://news.example.org/unsubscribe/u-" + "a" * 32


def test_a_link_and_an_address() -> None:
    added = unsubscribe_fields(
        Header.parse(b"To: bob@example.com\r\n"), link=LINK, address="u-1@returns.example.org"
    )
    header = Header.parse(added)
    assert [field.key for field in header.fields] == ["list-unsubscribe", "list-unsubscribe-post"]
    named = header.first("list-unsubscribe")
    assert named is not None
    assert named.value.split(b",\t") == [
        b"<mailto:u-1@returns.example.org?subject=unsubscribe>",
        f"<{LINK}>".encode(),
    ]
    assert all(len(line) < 100 for line in added.split(b"\r\n"))


@pytest.mark.parametrize(
    "field", [b"List-Unsubscribe: <mailto:a@b.example>\r\n", b"LIST-UNSUBSCRIBE-POST: x\r\n"]
)
def test_what_the_sender_says_stays(field: bytes) -> None:
    assert unsubscribe_fields(Header.parse(field), link=LINK) == b""
