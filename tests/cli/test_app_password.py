"""postwicket app-password."""

from __future__ import annotations

import re
from contextlib import closing

from postwicket.identity.app_password import fingerprint
from postwicket.identity.keys import load_key
from postwicket.storage.opening import open_store

from .office import Office


def test_it_is_shown_once_and_kept_as_a_fingerprint(office: Office) -> None:
    office("account", "add", "ann@example.org")
    made = office.json("app-password", "add", "ann@example.org", "--label", "printer")
    assert set(made) == {"id", "address", "label", "password"}
    assert re.fullmatch(r"[a-z]{16}", made["password"])
    said = office("app-password", "add", "ann@example.org", "--label", "laptop")
    assert re.fullmatch(r"[a-z]{4}( [a-z]{4}){3}\n", said.out)
    assert "it is not shown again" in said.err
    with closing(open_store(office.data)) as store:
        first, second = store.app_passwords("ann@example.org")
    key = load_key(office.data)
    assert first.fingerprint == fingerprint(key, made["password"])
    assert second.fingerprint == fingerprint(key, said.out.strip())
    assert made["password"] not in office("app-password", "list", "ann@example.org").out


def test_list_and_revoke(office: Office) -> None:
    office("account", "add", "ann@example.org")
    made = office.json("app-password", "add", "ann@example.org", "--label", "printer")
    (found,) = office.json("app-password", "list", "ann@example.org")
    assert (found["id"], found["label"], found["revoked"]) == (made["id"], "printer", None)
    assert "never\tactive" in office("app-password", "list", "ann@example.org").out
    ended = office.json("app-password", "revoke", "ann@example.org", str(made["id"]))
    assert ended["revoked"] is not None
    assert "revoked" in office("app-password", "list", "ann@example.org").out


def test_nobody_and_nothing(office: Office) -> None:
    for words in (
        ("add", "nobody@example.org", "--label", "x"),
        ("list", "nobody@example.org"),
        ("revoke", "nobody@example.org", "1"),
    ):
        said = office("app-password", *words)
        assert (said.status, said.out) == (1, "")
        assert "; " in said.err
    assert office("app-password", "revoke", "ann@example.org", "one").status == 2
