"""Mailboxes: what everybody reads alike, and nothing else."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.message.mailboxes import parse_mailboxes


def spellings(value: str, *, allow_groups: bool = False) -> list[str]:
    return [str(found) for found in parse_mailboxes(value.encode(), allow_groups=allow_groups)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ann@example.org", ["ann@example.org"]),
        (" <ann@Example.org>\t", ["ann@example.org"]),
        ("Ann Doe <ann@example.org>", ["ann@example.org"]),
        ("J. Doe<ann@example.org>", ["ann@example.org"]),
        ('"Doe, Ann \\" (x) <eve@evil.example>" <ann@example.org>', ["ann@example.org"]),
        ("=?utf-8?q?J=C3=BCrgen?= <ann@example.org>", ["ann@example.org"]),
        ("Jürgen <ann@example.org>", ["ann@example.org"]),
        ("jürgen@bücher.example", ["jürgen@bücher.example"]),
        ("ann@example.org (Ann (home))", ["ann@example.org"]),
        ("(x) Ann (y) < (z) ann@example.org > (\\) eve@evil.example)", ["ann@example.org"]),
        ('"ann doe"@example.org', ['"ann doe"@example.org']),
        ("ann@[192.0.2.1]", ["ann@[192.0.2.1]"]),
        ("a@b.example, Bob <c@d.example>", ["a@b.example", "c@d.example"]),
        ("(" * 10 + ")" * 10 + "a@b.example", ["a@b.example"]),
        ('"a" b "c" <a@b.example>', ["a@b.example"]),
    ],
)
def test_mailboxes_are_read(value: str, found: list[str]) -> None:
    assert spellings(value) == found


@pytest.mark.parametrize(
    ("value", "why"),
    [
        # security sheet, I8
        ('"x@gmail.com x"@internal.domain', "could be read as an address"),
        ("user@good.com(x)evil.com", "text after the address"),
        ("<a@b>c@d", "after the closing angle bracket"),
        ("=?utf-8?q?a=40evil?=@x.example", "encoded word"),
        ("<=?utf-8?q?a=40evil?=@x.example>", "encoded word"),
        ("(" * 11 + ")" * 11 + "a@b.example", "nested more than 10"),
        ("alice@example.org(<eve@evil.example>", "not closed"),
        ("a@b.example)c", "was not opened"),
        # I9
        ("a@b.example <c@d.example>", "needs quotes"),
        ("<a@b.example> <c@d.example>", "after the closing angle bracket"),
        ("<@route.example:a@b.example>", "source route"),
        ("<@x.example,@y.example:a@b.example>", "source route"),
        ("a@b@c.example", "an @ too many"),
        ("<a@b.example@c.example>", "an @ too many"),
        ("a @b.example", "white space or a comment beside an @"),
        ("a@(x)b.example", "white space or a comment beside an @"),
        ("a. b@c.example", "text beside the address"),
        ("a@b. example", "text after the address"),
        ("Ann a@b.example", "text beside the address"),
        ("team: a@b.example;", "group"),
        ("a@b.example; c@d.example", "group"),
        ("<>", "empty"),
        ("", "a mailbox is missing"),
        ("a@b.example,", "a mailbox is missing"),
        ("Ann", "only text"),
        ("<a@b.example", "do not fit"),
        ("a@b.example>", "text after the address"),
        ('"Ann <a@b.example>', "quotation mark is not closed"),
        ("Ann \\<a@b.example>", "backslash"),
        ("a@b.example\0", "control character"),
        ("a@b.example\r\nBcc: c@d.example", "control character"),
        (".a@b.example", "before the @ is malformed"),
        ("a@-b.example", "is not a domain name"),
        ("a" * 500 + "@b.example", "too long"),
        ("a@[[1]]", "domain in brackets"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(value: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        spellings(value)


def test_latin_1_is_refused() -> None:
    with pytest.raises(ValueError, match="neither ASCII nor UTF-8"):
        parse_mailboxes(b"J\xfcrgen <a@b.example>")


def test_groups_are_read_where_they_are_legal() -> None:
    assert spellings("undisclosed-recipients:;", allow_groups=True) == []
    assert spellings("team: a@b.example, Bob <c@d.example>; , e@f.example", allow_groups=True) == [
        *("a@b.example", "c@d.example", "e@f.example")
    ]
    for value in ("team: a@b.example", "a: b: c@d.example;;", "a:; b", "a@b.example:;"):
        with pytest.raises(ValueError, match="group"):
            spellings(value, allow_groups=True)


def test_the_caller_may_keep_the_list() -> None:
    parse_mailboxes(b"ann@example.org").clear()
    assert spellings("ann@example.org") == ["ann@example.org"]


TRICKY = [
    '"',
    "\\",
    "(",
    ")",
    "<",
    ">",
    ",",
    ";",
    ":",
    "@",
    ".",
    "[",
    "]",
    " ",
    "\t",
    "a",
    "ü",
    "=?",
]


@given(
    st.binary() | st.lists(st.sampled_from(TRICKY)).map(lambda pieces: "".join(pieces).encode())
)
def test_any_bytes_give_a_list_or_a_reason(value: bytes) -> None:
    for allow_groups in (False, True):
        try:
            found = parse_mailboxes(value, allow_groups=allow_groups)
        except ValueError as error:
            reason = str(error)
            assert reason.isprintable()
        else:
            assert all(isinstance(address, Address) for address in found)


@pytest.mark.parametrize(
    "unit",
    [*TRICKY, "()", '""', "a@", "a@b,", "a:;", "a ", '"a" ', '\\"', "<a@b>", "a,", "(\\", "a:;,"],
)
@pytest.mark.parametrize("tail", ["", "<a@b.example>", '"'])
def test_time_is_linear(unit: str, tail: str) -> None:
    value = (unit * (100_000 // len(unit)) + tail).encode()
    started = time.perf_counter()
    with contextlib.suppress(ValueError):
        parse_mailboxes(value, allow_groups=True)
    assert time.perf_counter() - started < 0.5
