"""Address lists: each is read in one way or not at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.sendmail.addresses import read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("a@b.example", [("", "a@b.example")]),
        ("a,b , c", [("", "a"), ("", "b"), ("", "c")]),
        ('"Lee, \\"Ann\\"" <a@b.example>', [('Lee, "Ann"', "a@b.example")]),
        ("Ann Lee <a@b.example> (work)", [("Ann Lee", "a@b.example")]),
        ("root (Cron (nested) Daemon)", [("Cron (nested) Daemon", "root")]),
        ("undisclosed-recipients:;", []),
        (
            "team: a@b.example, c@d.example;, e",
            [("", "a@b.example"), ("", "c@d.example"), ("", "e")],
        ),
        ('"a b"@c.example', [("", '"a b"@c.example')]),
        ("a@[IPv6:::1]", [("", "a@[IPv6:::1]")]),
        ("<>", []),
        ("Jürgen <j@bücher.example>", [("Jürgen", "j@bücher.example")]),
    ],
)
def test_lists(text: str, expected: list[tuple[str, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"open',
        "(open",
        "close)",
        "<a@b.example",
        "a@b.example>",
        "<<a@b.example>>",
        "a@b.example c@d.example",
        "<a@b.example> c@d.example",
        "<a@b.example,c@d.example>",
        "<@relay.example:a@b.example>",
        "a\\@b",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"; "):
        read(text)


@given(st.text(alphabet=st.sampled_from('ab@.,;:<>()[]"\\ \n\té')) | st.text())
def test_any_text_is_a_list_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(address for _, address in read(text))
