"""What cron and git hand in while nobody listens waits in the spool, and goes out by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.lab.program import shared_port
from tests.needs import need

from .conftest import Serve
from .server import SENDMAIL, Postwicket, until

CRON: Final = """\
From: root (Cron Daemon)
To: ann
Bcc: eve@example.com
Subject: Cron <root@mail> backup
Content-Type: text/plain; charset=UTF-8

Sicherung ist fertig: 3 Dateien, größer als gestern.
.
..und so weiter
"""
LISTENER: Final = """\
[[listener]]
address = "127.0.0.1:{port}"

[sendmail]
host = "localhost"
port = {port}
username = "root@mail.example.org"
password_file = "root.secret"
"""


def _installed(install: Serve) -> Postwicket:
    server = install(listeners=LISTENER.format(port=shared_port()))
    root = server.account("root@mail.example.org")
    secret = server.folder / "root.secret"
    secret.touch(mode=0o600)
    secret.write_text(root.password)
    return server


def _sendmail(server: Postwicket, *options: str, stdin: str = "") -> str:
    environ = server.environ(POSTWICKET_CONFIG=str(server.config))
    done = subprocess.run(
        [str(SENDMAIL), *options],
        input=stdin,
        env=environ,
        text=True,
        check=True,
        capture_output=True,
        timeout=30,
    )
    return done.stdout


def test_what_is_handed_in_while_the_server_is_down_goes_out_when_it_is_back(
    install: Serve, tmp_path: Path
) -> None:
    server = _installed(install)
    _sendmail(server, "-t", "-i", stdin=CRON)
    _git(server, tmp_path)
    spooled = _sendmail(server, "-bp")
    assert "ann@mail.example.org" in spooled
    assert "bob@example.com" in spooled
    server.start()
    # Nobody calls postwicket-sendmail again: the server itself looks into the spool.
    until(lambda: len(server.inbox()) == 2)
    by_subject = {one["subject"]: one for one in server.inbox()}
    cron = by_subject["Cron <root@mail> backup"]
    assert sorted(cron["recipients"]) == ["ann@mail.example.org", "eve@example.com"]
    source = server.source(cron["id"])
    assert b"eve@example.com" not in source
    body = CRON.partition("\n\n")[2].replace("\n", "\r\n").encode()
    assert source.endswith(b"\r\n\r\n" + body)
    assert by_subject["[PATCH] Grüße"]["recipients"] == ["bob@example.com"]
    assert _sendmail(server, "-bp").startswith("0 in ")
    server.stop()


def _git(server: Postwicket, folder: Path) -> None:
    """Send a patch through postwicket-sendmail, as git does with a local sendmail."""
    need("/usr/lib/git-core/git-send-email", "git-email")
    environ = server.environ(POSTWICKET_CONFIG=str(server.config), HOME=str(folder))
    who = ("-c", "user.name=Root", "-c", "user.email=root@mail.example.org")
    git = (need("git"), *who, "-c", f"sendemail.smtpserver={SENDMAIL}")
    for words in (
        ("init", "--quiet"),
        ("commit", "--quiet", "--allow-empty", "-m", "Grüße"),
        ("format-patch", "--quiet", "--always", "--root", "HEAD", "-o", "out"),
        (
            *("send-email", "--quiet", "--confirm=never", "--suppress-cc=all"),
            *("--to=bob@example.com", "--from=root@mail.example.org", "out"),
        ),
    ):
        subprocess.run(
            [*git, *words], cwd=folder, env=environ, check=True, capture_output=True, timeout=30
        )
