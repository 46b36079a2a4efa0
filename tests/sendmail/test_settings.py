"""Where the shim finds its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from postwicket.sendmail import settings, status

FILE = """\
hostname = "mail.example.org"
data = "data"
[sendmail]
port = 2587
username = "you@postwicket.test"
password_file = "you.secret"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ca.pem").touch()
    (tmp_path / "you.secret").write_text("abcd efgh ijkl mnop\n")
    path = tmp_path / "postwicket.toml"
    path.write_text(FILE)
    return path


def test_the_file_is_enough(file: Path) -> None:
    found = settings.load(file, {})
    server = found.server
    assert (server.host, server.port, server.tls) == ("127.0.0.1", 2587, "starttls")
    assert (server.username, server.password) == ("you@postwicket.test", "abcd efgh ijkl mnop")
    assert server.ca == file.parent / "data" / "ca.pem"
    assert (server.name, server.hello) == ("127.0.0.1", "mail.example.org")
    assert found.spool == file.parent / "data" / "spool"
    assert found.sender == "you@postwicket.test"
    assert "abcd" not in repr(found)


def test_the_environment_goes_over_it(file: Path, tmp_path: Path) -> None:
    environ = {
        "POSTWICKET_SENDMAIL__PORT": "2465",
        "POSTWICKET_SENDMAIL__TLS": "implicit",
        "POSTWICKET_SENDMAIL__SPOOL": str(tmp_path / "elsewhere"),
        "POSTWICKET_HOSTNAME": "other.example.org",
    }
    found = settings.load(file, environ)
    assert (found.server.port, found.server.tls) == (2465, "implicit")
    assert found.spool == tmp_path / "elsewhere"
    assert found.hostname == "other.example.org"


def test_a_certificate_of_ones_own_is_checked_by_the_public_name(file: Path) -> None:
    file.write_text(FILE + "[tls]\ncertificate = 'c.pem'\nkey = 'k.pem'\n")
    server = settings.load(file, {}).server
    assert (server.name, server.ca) == ("mail.example.org", None)


def test_another_host_is_checked_by_its_name_and_the_system(file: Path) -> None:
    server = settings.load(file, {"POSTWICKET_SENDMAIL__HOST": "mail.example.net"}).server
    assert (server.name, server.ca) == ("mail.example.net", None)


def test_without_a_writable_folder_the_spool_is_the_users(file: Path, tmp_path: Path) -> None:
    environ = {"POSTWICKET_DATA": str(tmp_path / "missing"), "XDG_STATE_HOME": str(tmp_path)}
    assert settings.load(file, environ).spool == tmp_path / "postwicket" / "spool"


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("[sendmail", {}, "it is not TOML"),
        ("sendmail = 1", {}, "write [sendmail]"),
        ("[sendmail]\nport = 'x'", {}, "write a number"),
        ("[sendmail]\ntls = 'ssl'", {}, "write starttls, implicit or none"),
        ("[sendmail]\npassword_file = 'missing'", {}, "No such file"),
        ("[sendmail]\npassword_file = 'empty'", {}, "it is empty"),
        (FILE, {"POSTWICKET_SENDMAIL__TLS": "none", "POSTWICKET_SENDMAIL__HOST": "a"}, "give the"),
    ],
)
def test_errors_say_what_to_do(text: str, environ: dict[str, str], words: str, file: Path) -> None:
    (file.parent / "empty").touch()
    file.write_text(text)
    with pytest.raises(status.Failed) as error:
        settings.load(file, environ)
    assert words in str(error.value)
    assert error.value.status == 78


def test_without_any_configuration_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(status.Failed, match="there is no configuration"):
        settings.load(None, {})
    assert settings.load(None, {"POSTWICKET_SENDMAIL__PORT": "25"}).server.port == 25
    assert settings.find("a.toml", {}) == Path("a.toml")
    assert settings.find(None, {"POSTWICKET_CONFIG": "b.toml"}) == Path("b.toml")
    (tmp_path / "postwicket.toml").touch()
    assert settings.find(None, {}) == Path("postwicket.toml")
