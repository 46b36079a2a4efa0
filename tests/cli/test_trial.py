"""postwicket try."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from postwicket import supervisor
from postwicket.cli.trial import USER
from postwicket.config import Settings, load
from postwicket.identity.app_password import fingerprint
from postwicket.identity.keys import load_key
from postwicket.sendmail import settings as shim
from postwicket.storage.opening import open_store
from postwicket.supervisor import OpenListener

from .office import Office, Said


@pytest.fixture(autouse=True)
def supervised(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Open the listeners, say that they are ready, and end."""
    seen: list[Settings] = []

    def serve(
        settings: Settings,
        *,
        config_path: Path | None,
        ready: Callable[[Sequence[OpenListener]], object],
    ) -> int:
        assert config_path is not None
        seen.append(settings)
        opened = [
            OpenListener(one, (socket.create_server((one.host, one.port)),))
            for one in settings.listener
        ]
        ready(opened)
        for one in opened:
            one.sockets[0].close()
        return 0

    monkeypatch.setattr(supervisor, "serve", serve)
    return seen


def start(office: Office, *words: str) -> Said:
    free = ("--smtp-port", "0", "--smtps-port", "0", "--http-port", "0")
    return office.bare("try", "--data", "d", *(words or free))


def test_everything_is_made_and_told(office: Office, supervised: list[Settings]) -> None:
    said = start(office, *["--smtp-port", "0", "--smtps-port", "0", "--http-port", "0", "--json"])
    assert said.status == 0
    assert said.out.count("\n") == 1
    facts = json.loads(said.out)
    assert facts["host"] == "127.0.0.1"
    assert facts["user"] == USER
    assert facts["web"] == f"http://127.0.0.1:{facts['http_port']}/"
    assert Path(facts["ca"]).read_text().startswith("-----BEGIN CERTIFICATE")
    (settings,) = supervised
    assert [one.port for one in settings.listener] == [
        facts["smtp_port"],
        facts["smtps_port"],
        facts["http_port"],
    ]
    assert [route.via for route in settings.route] == ["capture"]
    assert stat.S_IMODE((office.folder / "d").stat().st_mode) == 0o700
    secret = office.folder / "d" / "you.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text().strip() == facts["password"]


def test_the_password_opens_the_account_and_stays(office: Office) -> None:
    passwords = set()
    for _ in range(3):
        said = start(
            office, *["--smtp-port", "0", "--smtps-port", "0", "--http-port", "0", "--json"]
        )
        passwords.add(json.loads(said.out)["password"])
    (password,) = passwords
    data = office.folder / "d"
    with closing(open_store(data)) as store:
        (known,) = store.app_passwords(USER)
    assert known.fingerprint == fingerprint(load_key(data), password)


def test_a_revoked_password_is_replaced(office: Office) -> None:
    start(office)
    secret = office.folder / "d" / "you.secret"
    before = secret.read_text()
    with closing(open_store(office.folder / "d")) as store:
        store.revoke_app_password(USER, store.app_passwords(USER)[0].id, now=1.0)
    start(office)
    assert secret.read_text() != before
    secret.write_text("broken\n")
    start(office)
    assert len(secret.read_text().strip()) == 16


def test_other_commands_work_beside_it(office: Office) -> None:
    start(office)
    config = office.folder / "d" / "postwicket.toml"
    assert office.bare("config", "check", "--config", str(config)).status == 0
    said = office.bare("account", "list", "--config", str(config), "--json")
    assert [one["address"] for one in said.document] == [USER]
    found = shim.load(config, {})
    assert found.server.port == load(config, {}).listener[0].port
    assert (found.server.username, len(found.server.password)) == (USER, 16)
    assert found.server.ca == office.folder / "d" / "ca.pem"


def test_a_file_that_nobody_touched_follows_the_options(office: Office) -> None:
    start(office)
    config = office.folder / "d" / "postwicket.toml"
    before = config.read_text()
    start(office)
    assert config.read_text() != before
    kept = config.read_text()
    assert office.bare("try", "--data", "d").status == 0
    assert config.read_text() == kept


def test_an_edited_file_is_never_written(office: Office, supervised: list[Settings]) -> None:
    start(office)
    config = office.folder / "d" / "postwicket.toml"
    edited = config.read_text().replace("workers  = 1", "workers  = 3")
    config.write_text(edited)
    assert office.bare("try", "--data", "d").status == 0
    assert supervised[-1].workers == 3
    said = start(office)
    assert said.status == 2
    assert "was edited; change its ports there" in said.err
    assert config.read_text() == edited


def test_a_port_in_use_is_named_with_its_option(office: Office) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for option in ("--smtp-port", "--smtps-port", "--http-port"):
            words = {
                "--smtp-port": "0",
                "--smtps-port": "0",
                "--http-port": "0",
                option: str(port),
            }
            said = start(office, *(word for pair in words.items() for word in pair))
            assert (said.status, said.out) == (1, "")
            assert f"port {port} on 127.0.0.1 is in use; " in said.err
            assert f"{option} N" in said.err


def test_the_snippet_is_a_program(office: Office) -> None:
    out = start(office).out
    program = out[out.index("# mail.py") : out.index("Then look:")]
    compile(program, "mail.py", "exec")
    assert "smtp.login(" in program


def test_wrong_calls(office: Office) -> None:
    said = office("try", "--data", "d")
    assert said.status == 2
    assert "run postwicket serve" in said.err
    (office.folder / "file").touch()
    said = office.bare("try", "--data", "file")
    assert said.status == 1
    assert "choose another --data" in said.err


def test_a_terminal_gets_a_panel() -> None:
    script = (
        "import sys; sys.stdout.isatty = lambda: True\n"
        "from pathlib import Path; from postwicket.cli import trial\n"
        "facts = trial.Facts(smtp_port=2587, smtps_port=2465, http_port=8025,\n"
        "    password='abcdefghijklmnop', ca=Path('d/ca.pem'), config=Path('d/postwicket.toml'))\n"
        "trial._tell(facts, as_json=False)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "Postwicket is open" in found.stdout
    assert "abcd efgh ijkl mnop" in found.stdout
