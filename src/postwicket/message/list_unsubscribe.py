"""The fields by which a newsletter can be left with one click (RFC 2369, RFC 8058)."""

from __future__ import annotations

from .header import Header

PRESENT = frozenset({"list-unsubscribe", "list-unsubscribe-post"})


def unsubscribe_fields(header: Header, *, link: str, address: str = "") -> bytes:
    r"""Return what to add to a header; nothing where the sender has said how to leave.

    `link` is an https address, which has to be there (RFC 8058, section 3.1); `address`, if any,
    is a mailbox for programs that only write.

    >>> unsubscribe_fields(Header.parse(b"To: bob@example.com\r\n"), link="https://a.example/u-1")
    b'List-Unsubscribe: <https://a.example/u-1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n'
    """  # noqa: E501 (what it returns)
    if not PRESENT.isdisjoint(header.by_key.keys()):
        return b""
    by_mail = f"\r\n\t<mailto:{address}?subject=unsubscribe>," if address else ""
    place = f"{by_mail}\r\n\t" if address else " "
    return (
        f"List-Unsubscribe:{place}<{link}>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    ).encode("ascii")
