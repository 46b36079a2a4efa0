"""The whole command: arguments and standard input to server, spool and exit status."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from postwicket.sendmail import command

from .scripted import Scripted, scripted

MAIL = b"Subject: hello\nTo: bob@example.com\nBcc: eve@example.com\n\nhello\n.\nnever seen\n"


class Shim:
    """postwicket-sendmail against one server, with a spool of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.server = Scripted()

    def __call__(self, *words: str, mail: bytes = MAIL) -> int:
        """Call it as /usr/sbin/sendmail and return its exit status."""
        environ = {
            "POSTWICKET_HOSTNAME": "mail.example.org",
            "POSTWICKET_SENDMAIL__PORT": str(self.server.port or 1),
            "POSTWICKET_SENDMAIL__TLS": "none",
            "POSTWICKET_SENDMAIL__USERNAME": "app@example.org",
            "POSTWICKET_SENDMAIL__SPOOL": str(self.spool),
        }
        return command.run(["/usr/sbin/sendmail", *words], environ, io.BytesIO(mail))

    def up(self, *words: str, mail: bytes = MAIL, replies: dict[str, str] | None = None) -> int:
        """Call while the server is up and answers as told."""
        self.server.replies = replies or {}
        with scripted(self.server):
            return self(*words, mail=mail)


@pytest.fixture
def shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shim:
    monkeypatch.chdir(tmp_path)
    return Shim(tmp_path)


def test_as_php_calls_it(shim: Shim) -> None:
    assert shim.up("-t", "-i") == 0
    content = shim.server.messages[0]
    assert b"Bcc" not in content
    assert b"From: app@example.org\r\n" in content
    assert content.endswith(b"\r\n\r\nhello\r\n.\r\nnever seen\r\n")
    recipients = [one for one in shim.server.commands if one.startswith("RCPT")]
    assert recipients == ["RCPT TO:<bob@example.com>", "RCPT TO:<eve@example.com>"]


def test_the_envelope_is_never_guessed_from_the_header(shim: Shim) -> None:
    assert shim.up("-f", "ann@example.org", "carl@example.com,root") == 0
    assert "MAIL FROM:<ann@example.org>" in shim.server.commands[1]
    assert shim.server.commands[2:4] == [
        "RCPT TO:<carl@example.com>",
        "RCPT TO:<root@mail.example.org>",
    ]
    assert b"\r\nBcc: eve@example.com\r\n" in shim.server.messages[0]
    assert shim.server.messages[0].endswith(b"\r\n\r\nhello\r\n")


def test_the_empty_return_path(shim: Shim) -> None:
    assert shim.up("-f", "<>", "carl@example.com") == 0
    assert shim.server.commands[1].startswith("MAIL FROM:<> ")
    assert b"From: app@example.org\r\n" in shim.server.messages[0]


def test_a_server_that_is_down_means_queued(
    shim: Shim, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shim("-t") == 0
    assert capsys.readouterr() == ("", "")
    assert shim("-t", "-v") == 0
    assert f"queued in {shim.spool}: 127.0.0.1:1 does not answer" in capsys.readouterr().out
    assert shim("-bp") == 0
    listing = capsys.readouterr().out
    assert listing.count("waiting") == 2
    assert "app@example.org -> bob@example.com, eve@example.com" in listing
    assert "use postwicket queue list" in listing


def test_the_next_call_takes_the_waiting_mail_along(shim: Shim) -> None:
    assert shim("-t", mail=b"To: a@b.example\nSubject: first\n\n") == 0
    assert shim("-t", mail=b"To: a@b.example\nSubject: second\n\n") == 0
    assert shim.up("-t", mail=b"To: a@b.example\nSubject: third\n\n") == 0
    subjects = [
        line
        for content in shim.server.messages
        for line in content.split(b"\r\n")
        if line.startswith(b"Subject")
    ]
    assert subjects == [b"Subject: third", b"Subject: first", b"Subject: second"]
    assert shim.server.sessions == 1


def test_q_flushes(shim: Shim, capsys: pytest.CaptureFixture[str]) -> None:
    assert shim("-q", "-v") == 0
    assert "nothing waits" in capsys.readouterr().out
    assert shim("-t") == 0
    assert shim("-q") == 75
    assert "the mail stays" in capsys.readouterr().err
    assert shim.up("-q", replies={".": "452 4.3.1 Disk full"}) == 75
    assert "1 spooled messages still wait: 452 4.3.1 Disk full" in capsys.readouterr().err
    assert shim.up("-q", "-v") == 0
    assert "1 spooled messages were handed in" in capsys.readouterr().out
    assert shim("-t") == 0
    assert shim.up("-q", replies={"MAIL": "553 5.7.1 Not yours"}) == 0
    assert "1 spooled messages were refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("replies", "status", "words"),
    [
        ({"RCPT": "550 5.1.1 Nobody [rcpt.unknown]"}, 67, "5.1.1 Nobody [rcpt.unknown]"),
        ({"MAIL": "553 5.7.1 Not yours [sender.not-yours]"}, 77, "[sender.not-yours]"),
        ({".": "550 5.6.0 Bare [content.bare]"}, 65, "[content.bare]"),
        ({".": "552 5.3.4 Big"}, 69, "552 5.3.4 Big"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(
    shim: Shim,
    capsys: pytest.CaptureFixture[str],
    replies: dict[str, str],
    status: int,
    words: str,
) -> None:
    assert shim.up("-t", replies=replies) == status
    assert words in capsys.readouterr().err
    assert not shim.spool.exists()


def test_later_means_queued(shim: Shim) -> None:
    assert shim.up("-t", replies={".": "451 4.3.0 Later"}) == 0
    assert len(list(shim.spool.glob("*.mail"))) == 1


def test_a_spool_that_cannot_be_written_is_no_promise(
    shim: Shim, capsys: pytest.CaptureFixture[str]
) -> None:
    shim.spool.touch()
    assert shim("-t") == 75
    assert "cannot be kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "mail", "status", "told"),
    [
        ((), MAIL, 64, "nobody to send to"),
        (("-t",), b"Subject: x\n\n", 64, "names nobody"),
        (("-t",), b'To: "open\n\n', 65, "correct it"),
        (("-bs",), b"", 64, "not offered"),
        (("a b@c",), MAIL, 65, "is not an address"),
        (("-f", "a@b,c@d", "x"), MAIL, 64, "is not one address"),
        (("--config", "missing.toml", "x"), MAIL, 78, "cannot read it"),
    ],
)
def test_wrong_calls(
    shim: Shim,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    mail: bytes,
    status: int,
    told: str,
) -> None:
    assert shim(*words, mail=mail) == status
    out, err = capsys.readouterr()
    assert told in err
    assert not out


def test_its_other_names(shim: Shim, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"POSTWICKET_SENDMAIL__SPOOL": str(shim.spool)}
    assert command.run(["/usr/bin/mailq"], environ, io.BytesIO()) == 0
    assert "postwicket queue list" in capsys.readouterr().out
    assert command.run(["newaliases"], {}, io.BytesIO()) == 0


def test_it_stands_alone_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, postwicket.sendmail.command\n"
        "heavy = {'typer', 'rich', 'pydantic', 'sqlalchemy', 'asyncio', 'cryptography'}\n"
        "own = {name.split('.')[1] for name in sys.modules if name.startswith('postwicket.')}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(own))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[] ['sendmail']\n"
