"""Who a From, Sender or To field names (RFC 5322, section 3.4; RFC 6532 for UTF-8).

Policy decides by what this reads, and recipients' programs decide by what they read; so a form
that two of them could read differently is refused with the reason: source routes, a second @,
white space or comments inside an address, encoded words as an address, text after `>`.
Display names and comments are skipped, never decoded.  Time is linear in the input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from postwicket.core.address import Address

DEEPEST_COMMENT: Final = 10  # nested; ours: people nest none, attackers nest thousands
_LONGEST_CACHED: Final = 1000  # octets of a value
_LONGEST_SPELLING: Final = 400  # characters; an address has 254 octets

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff.-]"  # and the dot, for names
_PLAIN: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]++@[A-Za-z0-9.-]++"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'

_COMMON: Final = re.compile(
    rf"[ \t]*+(?:(?:{_QUOTED}|(?:{_ATEXT}|[ \t])++)?+<({_PLAIN})>|({_PLAIN}))[ \t]*+"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN: Final = re.compile(
    rf"(?P<address>(?:{_QUOTED}|{_ATEXT}++)@(?:\[[^\[\]\\]*+\]|{_ATEXT}++))"
    rf"|(?P<word>{_QUOTED}|{_ATEXT}++)|(?P<space>[ \t]++)|(?P<special>[<>,;:@])"
)
_COMMENT_PIECE: Final = re.compile(r"(?:[^()\\]|\\.)*+([()])")
_MAILBOX: Final = re.compile(r"w*<a>|a")  # a: an address; w: a word of the display name


def parse_mailboxes(value: bytes, *, allow_groups: bool = False) -> list[Address]:
    """Return the mailboxes of an unfolded value, in order; raise ValueError saying what is wrong.

    Groups ("team: ann@example.org;") are legal in To and Cc only (RFC 5322, section 3.6.3); with
    `allow_groups` their members are returned.

    >>> parse_mailboxes(b'"Doe, Ann" <ann@example.org>, bob@example.com (Bob)')
    [Address(local='ann', domain='example.org'), Address(local='bob', domain='example.com')]
    """
    if len(value) > _LONGEST_CACHED:
        return list(_read(value, allow_groups=allow_groups))
    return list(_read_again(value, allow_groups))


@lru_cache(maxsize=4096)
def _read_again(value: bytes, allow_groups: bool) -> tuple[Address, ...]:  # noqa: FBT001 - a cache key
    return _read(value, allow_groups=allow_groups)


def _read(value: bytes, *, allow_groups: bool) -> tuple[Address, ...]:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is neither ASCII nor UTF-8") from None
    if _CONTROL.search(text):
        raise ValueError("it contains a control character")
    if common := _COMMON.fullmatch(text):
        return (_address(common[1] or common[2]),)
    return tuple(_listed(text, allow_groups=allow_groups))


def _listed(text: str, *, allow_groups: bool) -> Iterator[Address]:
    """Walk the list; `shape` is the present entry, one letter a token."""
    shape, spelling, in_group = "", "", False
    # The comma at the end closes the last entry; there is none to close behind a group.
    for kind, token in (*_tokens(text), (",", "")):
        if kind == ":" and allow_groups and not in_group and re.fullmatch("w+", shape):
            shape, in_group = "", True
        elif kind == ";" and in_group:
            if shape:
                yield _mailbox(shape, spelling)
            shape, in_group = "g", False
        elif kind == ",":
            if shape != "g":
                yield _mailbox(shape, spelling)
            shape = ""
        else:
            spelling = token if kind == "a" else spelling
            # More than a few words of one name say nothing new, and would cost memory.
            shape += "" if kind == "w" and shape.endswith("w") else kind
    if in_group:
        raise ValueError("a group does not end with a semicolon")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield letter and text of each token, without white space and comments."""
    at = 0
    while at < len(text):
        if text[at] == "(":
            at = _comment_end(text, at + 1)
            continue
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(_CLUE.get(text[at], f"{text[at]!r} is out of place"))
        at = token.end()
        if token["address"]:
            yield "a", token["address"]
        elif token["word"]:
            yield "w", token["word"]
        elif token["special"]:
            yield token["special"], token["special"]


_CLUE: Final = {
    '"': "a quotation mark is not closed",
    ")": "a bracket closes a comment that was not opened",
    "[": "a domain in brackets is out of place",
    "\\": "a backslash is outside of quotation marks",
}


def _comment_end(text: str, at: int) -> int:
    depth = 1
    while depth:
        piece = _COMMENT_PIECE.match(text, at)
        if piece is None:
            raise ValueError("a comment is not closed")
        depth += 1 if piece[1] == "(" else -1
        if depth > DEEPEST_COMMENT:
            raise ValueError(f"comments are nested more than {DEEPEST_COMMENT} deep")
        at = piece.end()
    return at


def _mailbox(shape: str, spelling: str) -> Address:
    if _MAILBOX.fullmatch(shape):
        return _address(spelling)
    raise ValueError(_why_not(shape))


def _why_not(shape: str) -> str:
    """Explain a shape that is no mailbox; the first fault that fits is the one to mend."""
    faults = (
        (not shape, "a mailbox is missing, or a comma is too many"),
        ("<@" in shape, "it has a source route"),
        (shape == "<>", "the angle brackets are empty"),
        (":" in shape or ";" in shape, "a group of mailboxes is not allowed here"),
        ("g" in shape, "there is text after the end of a group"),
        ("@" in shape, "there is an @ too many, or white space or a comment beside an @"),
        (
            shape.startswith(("a<", "wa<", "aw<")),
            "an address before the angle bracket needs quotes",
        ),
        (re.match("w*<a>.", shape), "there is text after the closing angle bracket"),
        (shape.startswith("a"), "there is text after the address"),
        ("wa" in shape, "there is text beside the address"),
        ("a" not in shape, "there is no address, only text"),
    )
    return next((text for found, text in faults if found), "the angle brackets do not fit")


def _address(spelling: str) -> Address:
    if len(spelling) > _LONGEST_SPELLING:
        raise ValueError("an address is too long")
    if "=?" in spelling:
        raise ValueError("an address is written as an encoded word, which is for names only")
    if spelling.startswith('"') and not _HARMLESS.fullmatch(spelling.rpartition("@")[0]):
        raise ValueError("a quoted name before the @ contains what could be read as an address")
    return Address.parse(spelling)


_HARMLESS: Final = re.compile(r'"[^@<>,;:()\[\]\\"]*"')
