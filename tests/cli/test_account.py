"""postwicket account."""

from __future__ import annotations

from contextlib import closing

import pytest

from postwicket.core.secret import Secret
from postwicket.identity.password import verify_password
from postwicket.storage.opening import open_store

from .office import Office


def test_an_account_lives_and_goes(office: Office) -> None:
    made = office.json("account", "add", "Ann@Example.org", "--name", "Ann Lee")
    assert made["address"] == "ann@example.org"
    assert made["name"] == "Ann Lee"
    assert [one["address"] for one in office.json("account", "list")] == ["ann@example.org"]
    assert office.json("account", "show", "ann@example.org")["app_passwords"] == 0
    assert office.json("account", "suspend", "ann@example.org")["suspended"] is True
    assert "suspended" in office("account", "list").out
    assert office.json("account", "resume", "ann@example.org")["suspended"] is False
    assert office.json("account", "remove", "ann@example.org") == {"removed": "ann@example.org"}
    said = office("account", "list")
    assert said.out == ""
    assert "there are no accounts" in said.err


def test_rights_are_given_and_taken(office: Office) -> None:
    office("account", "add", "ann@example.org")
    assert (
        "may write as @example.com"
        in office("account", "grant", "ann@example.org", "*@Example.com").out
    )
    found = office.json("account", "grant", "ann@example.org", "news@example.net")
    assert found["grants"] == ["@example.com", "news@example.net"]
    found = office.json("account", "withdraw", "ann@example.org", "@example.com")
    assert found["grants"] == ["news@example.net"]
    said = office("account", "withdraw", "ann@example.org", "@example.com")
    assert said.status == 1
    assert "was not granted" in said.err
    said = office("account", "grant", "ann@example.org", "nonsense@")
    assert said.status == 2
    assert "write news@example.org or *@example.org" in said.err


def test_a_lane_of_ones_own(office: Office) -> None:
    assert office.json("account", "add", "news@example.org")["lane"] == "transactional"
    assert office.json("account", "lane", "news@example.org", "bulk")["lane"] == "bulk"
    assert office.json("account", "show", "news@example.org")["lane"] == "bulk"
    said = office("account", "lane", "news@example.org", "transactional")
    assert "news@example.org sends transactional mail" in said.out
    said = office("account", "lane", "news@example.org", "express")
    assert (said.status, "write transactional or bulk" in said.err) == (2, True)
    assert office("account", "lane", "bob@example.org", "bulk").status == 1


def test_limits_of_ones_own(office: Office) -> None:
    office("account", "add", "ann@example.org")
    limits = office.json(
        "account", "limit", "ann@example.org", "--messages-per-day", "5", "--message-size", "1M"
    )["limits"]
    assert (limits["messages_per_day"], limits["message_size"]) == (5, 1_048_576)
    limits = office.json("account", "limit", "ann@example.org", "--message-size", "default")
    assert limits["limits"] == {
        "messages_per_day": 5,
        "recipients_per_day": None,
        "recipients_per_message": None,
        "message_size": None,
    }
    for wrong in ("0", "many", "-1"):
        said = office("account", "limit", "ann@example.org", f"--messages-per-day={wrong}")
        assert said.status == 2
        assert 'give a number, or "default"' in said.err
    assert office("account", "limit", "ann@example.org").status == 2
    said = office("account", "limit", "bob@example.org", "--messages-per-day", "5")
    assert (said.status, "there is no account" in said.err) == (1, True)


def test_an_account_password(office: Office) -> None:
    password = "correct horse battery staple"
    made = office.json("account", "add", "ann@example.org", "--password-stdin", stdin=password)
    assert made["has_password"] is True
    assert made["password_over_smtp"] is False
    assert office.json("account", "allow-password", "ann@example.org")["password_over_smtp"]
    found = office.json("account", "allow-password", "ann@example.org", "--no")
    assert found["password_over_smtp"] is False
    with closing(open_store(office.data)) as store:
        account = store.account("ann@example.org")
        assert account is not None
        assert verify_password(account.password_hash, Secret(password))
        kinds = [one.data["what"] for one in store.journal(kind="administered", since=0, limit=9)]
    assert kinds == ["account allow-password", "account allow-password", "account add"]


@pytest.mark.parametrize("password", ["", "geheim"])
def test_a_password_that_will_not_do_is_refused(office: Office, password: str) -> None:
    said = office("account", "add", "ann@example.org", "--password-stdin", stdin=f"{password}\n")
    assert (said.status, said.out) == (2, "")
    assert password == "" or password not in said.err
    assert office.json("account", "list") == []


@pytest.mark.parametrize("verb", ["show", "remove", "suspend", "resume", "allow-password"])
def test_nobody_is_said(office: Office, verb: str) -> None:
    said = office("account", verb, "nobody@example.org")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("postwicket: there is no account nobody@example.org; ")


def test_twice_is_no(office: Office) -> None:
    office("account", "add", "ann@example.org")
    said = office("account", "add", "ANN@example.org")
    assert said.status == 1
    assert "there is an account ann@example.org already; " in said.err
