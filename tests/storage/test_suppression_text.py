"""Suppressions as text: what is written is read again, and no line can stop the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.queue_id import QueueId
from postwicket.storage.suppression_text import (
    FORMATS,
    REASONS,
    BadLine,
    read_suppressions,
    written,
)
from postwicket.storage.values import Suppression

from .making import NOW

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)
LISTED = st.builds(
    Suppression,
    address=st.sampled_from(["a@example.org", "+x@example.org", '"a, b"@xn--bcher-kva.example']),
    lane=st.sampled_from(["", "transactional", "bulk"]),
    reason=st.sampled_from(REASONS),
    detail=WORDS | st.just('=a, "b"\nc'),
    message=st.none() | st.integers(0, 2**63 - 1).map(QueueId),
    created=st.integers(0, 10**10).map(float),
    expires=st.none() | st.integers(1, 10**11).map(float),
)


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def said(text: str, format: str = "csv") -> list[Suppression | BadLine]:
    return list(read_suppressions(lines(text), format, now=NOW))


@pytest.mark.parametrize("format", FORMATS)
@given(st.lists(LISTED, max_size=5))
def test_what_is_written_is_read_again(format: str, listed: list[Suppression]) -> None:
    whole = "".join(written(listed, format)).split("\n")
    assert whole.pop() == ""
    ended = [f"{line}\n" for line in whole]
    assert list(read_suppressions(ended, format, now=NOW)) == listed


@pytest.mark.parametrize("format", FORMATS)
@given(st.lists(st.text() | st.sampled_from(["address", "ann@example.org", '"', '{"address":'])))
def test_no_line_raises(format: str, given_lines: list[str]) -> None:
    for one in read_suppressions(given_lines, format, now=NOW):
        assert isinstance(one, Suppression | BadLine)


def test_an_address_is_enough() -> None:
    ann = Suppression(address="ann@example.org", created=NOW)
    assert said("Address\nAnn@Example.ORG\n") == [ann]
    assert said('{"address": "Ann@example.org"}\n\n', "jsonl") == [ann]


def test_the_export_of_another_sender_is_read_as_it_is() -> None:
    text = "ID,Reason,Address,Created\n7,Bounce,ann@example.org,2027-01-15\n"
    (one,) = said(text)
    assert one == Suppression(address="ann@example.org", reason="bounce", created=1_799_971_200.0)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (",bulk,", "there is no address"),
        ("nobody,,", "nobody"),
        ("ann@example.org,express,", "lane 'express' is none of all, transactional, bulk"),
        ("ann@example.org,,dislike", "reason 'dislike' is none of bounce"),
        ("ann@example.org,,,tomorrow", "expires 'tomorrow' is no time"),
        ("ann@example.org,,,0001-01-01T00:00:00+14:00", "is no time"),
        ("ann@example.org,,,,!", ""),
        ("\udcffnn@example.org,,", "it is not UTF-8"),
    ],
)
def test_a_bad_line_is_told_and_passed_over(cells: str, why: str) -> None:
    text = f"address,lane,reason,expires,message\nbob@example.org\n{cells}\neve@example.org\n"
    bob, bad, eve = said(text)
    assert isinstance(bad, BadLine)
    assert isinstance(bob, Suppression)
    assert isinstance(eve, Suppression)
    assert (bad.line, why in bad.why) == (3, True)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[" * 100_000, "it is no JSON"),
        ("{", "it is no JSON"),
        ("7", "it is no JSON object"),
        ('{"address": 7}', "address is not text"),
        ("{}", "there is no address"),
    ],
)
def test_a_bad_line_of_json(line: str, why: str) -> None:
    assert said(f"{line}\n", "jsonl") == [BadLine(1, why)]


def test_a_plain_list_of_addresses_is_read() -> None:
    text = "# from the old provider\nbob@example.org\n\neve@example.org,anything,else\n"
    bob, eve = said(text)
    assert bob == Suppression(address="bob@example.org", created=NOW)
    assert eve == Suppression(address="eve@example.org", created=NOW)


def test_a_spreadsheet_finds_no_formula() -> None:
    one = Suppression(address="ann@example.org", detail="=HYPERLINK(1)", created=NOW)
    assert "\n=" not in "".join(written([one], "csv"))
    assert ", =HYPERLINK(1)," in "".join(written([one], "csv"))
