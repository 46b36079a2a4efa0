"""postwicket config."""

from __future__ import annotations

from .office import Office


def test_check_says_yes(office: Office) -> None:
    assert "is a working configuration" in office("config", "check").out
    found = office.json("config", "check")
    assert found == {"ok": True, "file": str(office.config), "problems": [], "warnings": []}


def test_check_says_no_with_all_reasons(office: Office) -> None:
    office.config.write_text("hostnam = 'x'\n")
    said = office("config", "check")
    assert (said.status, said.out) == (1, "")
    assert "did you mean 'hostname'?" in said.err
    said = office("config", "check", "--json")
    assert said.status == 1
    assert said.document["ok"] is False
    assert [one["key"] for one in said.document["problems"]] == ["hostname", ""]


def test_check_looks_at_files(office: Office) -> None:
    office.config.write_text(
        "hostname = 'mail.example.org'\ndata = 'data'\n"
        "[tls]\ncertificate = 'a.pem'\nkey = 'a.key'\n"
    )
    said = office("config", "check", "--json")
    assert said.status == 1
    assert [one["key"] for one in said.document["problems"]] == ["tls.certificate", "tls.key"]


def test_doubts_are_warnings(office: Office) -> None:
    secret = office.folder / "up.secret"
    secret.write_text("geheim\n")
    secret.chmod(0o644)
    office.config.write_text(
        "hostname = 'mail.example.org'\ndata = 'data'\n[[upstream]]\nname = 'up'\n"
        "preset = 'gmail'\nusername = 'ann'\npassword_file = 'up.secret'\n"
    )
    said = office("config", "check")
    assert said.status == 0
    assert "warning: upstream[0].password_file: everybody may read" in said.err


def test_explain(office: Office) -> None:
    found = {one["key"]: one for one in office.json("config", "explain")}
    assert found["hostname"]["value"] == "mail.example.org"
    assert found["hostname"]["origin"] == str(office.config)
    assert found["queue.expire"] == {
        "key": "queue.expire",
        "value": 432_000,
        "origin": "default",
        "documentation": "Give up after this time and tell the sender.",
    }
    lines = office("config", "explain").out.splitlines()
    assert lines[0] == "SETTING\tVALUE\tFROM\tWHAT IT IS"
    assert lines[1].startswith(f"hostname\tmail.example.org\t{office.config}\t")
