"""What a look at the machine finds."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from postwicket.config import read
from postwicket.config.examine import examine
from postwicket.net.authority import ensure_authority


def findings(folder: Path, text: str) -> dict[str, tuple[str, bool]]:
    file = folder / "postwicket.toml"
    file.write_text(f"hostname = 'mail.example.org'\ndata = 'data'\n{text}")
    file.chmod(0o600)
    found = examine(read(file, {}))
    return {one.problem.key: (one.problem.text, one.fatal) for one in found}


def test_nothing_to_say(tmp_path: Path) -> None:
    assert findings(tmp_path, "") == {}


def test_certificate_and_key(tmp_path: Path) -> None:
    section = "[tls]\ncertificate = 'data/server.pem'\nkey = 'data/server.key'\n"
    found = findings(tmp_path, section)
    assert found["tls.certificate"][1]
    assert found["tls.key"][1]
    assert "No such file" in found["tls.key"][0]
    (tmp_path / "data").mkdir()
    authority = ensure_authority(tmp_path / "data", "mail.example.org")
    assert findings(tmp_path, section) == {}
    authority.key.chmod(0o644)
    text, fatal = findings(tmp_path, section)["tls.key"]
    assert "everybody may read" in text
    assert not fatal
    authority.key.write_text("no key")
    assert findings(tmp_path, section)["tls"][1]


def test_authorities_of_exchangers(tmp_path: Path) -> None:
    section = "[delivery]\nca = 'data/ca.pem'\n"
    text, fatal = findings(tmp_path, section)["delivery.ca"]
    assert fatal
    assert "give a PEM file" in text
    (tmp_path / "data").mkdir()
    ensure_authority(tmp_path / "data", "mail.example.org")
    assert findings(tmp_path, section) == {}


def test_password_files(tmp_path: Path) -> None:
    section = (
        "[[upstream]]\nname = 'a'\nhost = 'a.example'\nusername = 'ann'\n"
        "password_file = 'a.secret'\n"
    )
    assert findings(tmp_path, section)["upstream[0].password_file"][1]
    secret = tmp_path / "a.secret"
    secret.write_text("geheim\n")
    secret.chmod(0o640)
    text, fatal = findings(tmp_path, section)["upstream[0].password_file"]
    assert "its group may read" in text
    assert "chmod 600" in text
    assert not fatal
    secret.chmod(0o600)
    assert findings(tmp_path, section) == {}


def test_doubtful_upstreams(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        "[[upstream]]\nname = 'a'\nhost = 'a.example'\ntls = 'none'\n"
        "[[upstream]]\nname = 'b'\nhost = 'b.example'\nverify = false\nca = 'missing.pem'\n",
    )
    assert not found["upstream[0].tls"][1]
    assert not found["upstream[1].verify"][1]
    assert found["upstream[1].ca"][1]


def test_folder_and_users(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    found = findings(tmp_path, "user = 'nobody-of-that-name'\ngroup = 'nor-that'\n")
    assert "is not a folder" in found["data"][0]
    assert found["user"][1]
    assert found["group"][1]


@pytest.mark.parametrize("key", ["user"])
def test_users_that_exist(tmp_path: Path, key: str) -> None:
    assert findings(tmp_path, f"{key} = '{pwd.getpwuid(os.getuid()).pw_name}'\n") == {}


def test_dnssec_wants_a_resolver_on_this_machine(tmp_path: Path) -> None:
    near = "[delivery]\ndnssec = true\nresolver = '127.0.0.1:5353'\n"
    assert findings(tmp_path, near) == {}
    far = "[delivery]\ndnssec = true\nresolver = ['127.0.0.1', '192.0.2.53']\n"
    text, fatal = findings(tmp_path, far)["delivery.dnssec"]
    assert "192.0.2.53" in text
    assert not fatal


def test_mail_cannot_leave_from_somebody_elses_address(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        "[delivery]\nsource_address = '127.0.0.1'\n"
        "[[route]]\nvia = 'direct'\nsource_address = ['127.0.0.1', '2001:db8::7']\n",
    )
    assert list(found) == ["route[0].source_address"]
    assert "2001:db8::7 is no address of this machine" in found["route[0].source_address"][0]
