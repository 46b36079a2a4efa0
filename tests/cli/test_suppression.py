"""postwicket suppression."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest

from postwicket.storage.opening import open_store

from .office import Office


def test_an_address_is_put_on_the_list_and_taken_off(office: Office) -> None:
    made = office.json("suppression", "add", "Bob@Example.COM", "--detail", "asked by phone")
    assert (made["address"], made["lane"], made["reason"]) == ("bob@example.com", "all", "manual")
    assert made["expires"] is None
    office("suppression", "add", "eve@example.com", "--lane", "bulk", "--days", "30")
    listed = office.json("suppression", "list")
    assert [(one["address"], one["lane"]) for one in listed] == [
        ("bob@example.com", "all"),
        ("eve@example.com", "bulk"),
    ]
    assert listed[1]["expires"].endswith("Z")
    out = office("suppression", "list", "bob@example.com").out
    assert "asked by phone" in out
    assert "eve@" not in out
    assert office.json("suppression", "remove", "bob@example.com")["removed"] == 1
    again = office("suppression", "remove", "bob@example.com")
    assert (again.status, "is not suppressed; see" in again.err) == (1, True)


def test_one_lane_may_be_taken_off(office: Office) -> None:
    for lane in ("all", "bulk"):
        office("suppression", "add", "bob@example.com", "--lane", lane)
    office("suppression", "remove", "bob@example.com", "--lane", "all")
    assert [one["lane"] for one in office.json("suppression", "list")] == ["bulk"]


def test_a_long_list_says_that_it_is_cut(office: Office) -> None:
    for number in range(3):
        office("suppression", "add", f"u{number}@example.com")
    said = office("suppression", "list", "--limit", "2")
    assert "the first 2 are shown" in said.err
    assert "u2@" not in said.out


def test_what_is_exported_is_imported(office: Office, tmp_path: Path) -> None:
    office("suppression", "add", "bob@example.com", "--detail", 'says "no", twice')
    office("suppression", "add", "eve@example.com", "--lane", "bulk", "--days", "1")
    before = office.json("suppression", "list")
    file = tmp_path / "list.csv"
    office("suppression", "export", str(file))
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert rows[0]["detail"] == 'says "no", twice'
    for address in ("bob@example.com", "eve@example.com"):
        office("suppression", "remove", address)
    assert office.json("suppression", "import", str(file)) == {"imported": 2}
    assert office.json("suppression", "list") == before


def test_a_plain_list_of_addresses_is_imported(office: Office) -> None:
    text = "# from the old provider\nbob@example.com\n\neve@example.com,anything\n"
    assert office.json("suppression", "import", stdin=text) == {"imported": 2}
    reasons = {one["reason"] for one in office.json("suppression", "list")}
    assert reasons == {"manual"}
    assert office("suppression", "export").out.startswith("address,lane,reason,created,")


@pytest.mark.parametrize(
    "line", ["nobody", "address,reason\nx@example.com,weather", "address,lane\nx@example.com,fast",
             "address,expires\nx@example.com,tomorrow"]
)  # fmt: skip
def test_a_list_with_a_wrong_line_is_not_read_at_all(office: Office, line: str) -> None:
    said = office("suppression", "import", stdin=f"bob@example.com\n{line}\n")
    assert said.status == 2
    assert "nothing was read" in said.err
    assert office.json("suppression", "list") == []


def test_files_that_cannot_be_used(office: Office, tmp_path: Path) -> None:
    assert office("suppression", "import", str(tmp_path / "none")).status == 2
    assert office("suppression", "export", str(tmp_path / "no" / "way")).status == 1


def test_changes_are_in_the_journal(office: Office) -> None:
    office("suppression", "add", "bob@example.com")
    office("suppression", "remove", "bob@example.com")
    with closing(open_store(office.data)) as store:
        kinds = [one.data["what"] for one in store.journal(kind="administered", since=0, limit=9)]
    assert kinds == ["suppression remove", "suppression add"]
