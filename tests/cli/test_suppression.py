"""postwicket suppression."""

from __future__ import annotations

import csv
import json

import pytest

from postwicket.storage.opening import open_store

from .office import Office


def test_an_address_is_added_listed_and_removed(office: Office) -> None:
    assert "nobody is suppressed" in office("suppression", "list").err
    made = office.json("suppression", "add", "Ann@Example.org", "--detail", "she asked")
    assert (made["address"], made["reason"], made["lane"]) == ("ann@example.org", "manual", "all")
    assert made["expires"] is None
    made = office.json(
        "suppression", "add", "bob@example.org", "--lane", "bulk", "--expires", "90d"
    )
    assert made["expires"] is not None
    listed = office.json("suppression", "list")
    assert [one["address"] for one in listed] == ["ann@example.org", "bob@example.org"]
    assert len(office.json("suppression", "list", "--lane", "bulk")) == 1
    assert len(office.json("suppression", "list", "--reason", "complaint")) == 0
    assert len(office.json("suppression", "list", "ANN@example.org")) == 1
    said = office("suppression", "list", "--limit", "1")
    assert "ann@example.org\tall\tmanual\t" in said.out
    assert "for good\tshe asked" in said.out
    assert "the first 1 are shown" in said.err
    assert office.json("suppression", "remove", "ann@example.org") == {"removed": 1}
    said = office("suppression", "remove", "ann@example.org")
    assert (said.status, "is not suppressed so" in said.err) == (1, True)
    told = office("suppression", "remove", "bob@example.org", "--lane", "all")
    assert told.status == 1
    assert office("suppression", "remove", "bob@example.org", "--lane", "bulk").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("add", "nobody"),
        ("add", "ann@example.org", "--lane", "express"),
        ("add", "ann@example.org", "--expires", "soon"),
        ("list", "--reason", "dislike"),
        ("export", "--format", "xml"),
        ("import", "-", "--format", "xml"),
    ],
)
def test_wrong_words_are_told(office: Office, words: tuple[str, ...]) -> None:
    assert office("suppression", *words).status == 2


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl"])
def test_a_list_goes_out_and_comes_back(office: Office, name: str) -> None:
    for number in range(3):
        office("suppression", "add", f"b{number}@example.org", "--detail", f'"{number}", =1+1')
    office("suppression", "add", "b0@example.org", "--lane", "bulk", "--expires", "1d")
    before = office.json("suppression", "list")
    file = str(office.folder / name)
    assert office.json("suppression", "export", file) == {"exported": 4}
    for number in range(3):
        office("suppression", "remove", f"b{number}@example.org")
    assert office.json("suppression", "import", file) == {"imported": 4, "bad": []}
    assert office.json("suppression", "list") == before


def test_the_export_on_standard_output(office: Office) -> None:
    office("suppression", "add", "ann@example.org")
    rows = list(csv.DictReader(office("suppression", "export").out.splitlines()))
    assert [row["address"] for row in rows] == ["ann@example.org"]
    (line,) = office("suppression", "export", "--format", "jsonl").out.splitlines()
    assert json.loads(line)["address"] == "ann@example.org"
    assert [one["address"] for one in office.json("suppression", "export")] == ["ann@example.org"]
    assert office("suppression", "export", "--lane", "bulk").out.count("\n") == 1


def test_bad_lines_are_told_and_the_good_ones_count(office: Office) -> None:
    file = office.folder / "list.csv"
    many = b"".join(b"nobody%d\n" % number for number in range(30))
    file.write_bytes(
        b"\xef\xbb\xbfaddress,reason\r\nann@example.org,bounce\r\n"
        b"\xff@example.org\r\n" + many + b"bob@example.org\r\n"
    )
    said = office("suppression", "import", str(file))
    assert said.status == 1
    assert "2 taken in, 31 bad lines passed over" in said.out
    assert "line 3: it is not UTF-8" in said.err
    assert "and 11 more" in said.err
    assert len(office.json("suppression", "list")) == 2
    again = office("suppression", "import", str(file), "--json")
    assert again.document["imported"] == 2
    assert again.document["bad"][0] == {"line": 3, "why": "it is not UTF-8"}
    lines = "eve@example.org\n"
    assert office.json("suppression", "import", stdin=lines)["imported"] == 1


def test_files_that_cannot_be_had(office: Office) -> None:
    missing = str(office.folder / "no" / "list.csv")
    assert "cannot read" in office("suppression", "import", missing).err
    assert "cannot write" in office("suppression", "export", missing).err


def test_a_large_file_shows_how_far_it_is(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    file = office.folder / "list.csv"
    file.write_text("address\n" + "".join(f"b{n}@example.org\n" for n in range(20_000)))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = office("suppression", "import", str(file))
    assert "20000 taken in" in said.out
    assert "list.csv" in said.err


def test_it_is_in_the_journal(office: Office) -> None:
    office("suppression", "add", "ann@example.org")
    office("suppression", "remove", "ann@example.org")
    store = open_store(office.data)
    told = [one.data for one in store.journal(kind="administered", since=0, limit=9)]
    store.close()
    assert [one["what"] for one in told] == ["suppression remove", "suppression add"]
