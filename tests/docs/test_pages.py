"""Pages that are made from the code are as current as the code."""

from __future__ import annotations

import re

import pytest
from tools import rules, settings_page, sites_page, state_diagrams

from postwicket.policy.content import _SPEAKERS

LINK = re.compile(r"\]\(([^)#\s]+)")
AGAIN = "is out of date; run PYTHONPATH=src python tools/"


def test_every_setting_is_in_the_handbook() -> None:
    assert sites_page.PAGE.read_text() == sites_page.page(), f"{AGAIN}sites_page.py"
    assert settings_page.PAGE.read_text() == settings_page.page(), f"{AGAIN}settings_page.py"


def test_the_diagrams_are_those_of_the_tables() -> None:
    assert state_diagrams.PAGE.read_text() == state_diagrams.page(), f"{AGAIN}state_diagrams.py"


def test_every_rule_is_in_the_handbook_and_no_other() -> None:
    assert list(rules.faults()) == []


def test_the_rules_whose_names_are_put_together_are_in_the_handbook() -> None:
    told = rules.in_page()
    assert {f"content.{key}-invalid" for key in _SPEAKERS} <= set(told)
    assert {"rate.messages-per-day", "rate.recipients-per-day"} <= set(told)


@pytest.mark.parametrize("name", ["sender.not-yours", "server.bug", "content.loop"])
def test_the_code_is_searched_for_rules(name: str) -> None:
    assert name in rules.in_code()[0]


def test_a_link_within_the_documents_leads_somewhere() -> None:
    pages = [rules.ROOT / "README.md", *(rules.ROOT / "docs").rglob("*.md")]
    pages += [rules.ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    links = [(page, target) for page in pages for target in LINK.findall(page.read_text())]
    assert [
        f"{page.name}: {target}"
        for page, target in links
        if "://" not in target and not (page.parent / target).exists()
    ] == []
