"""postwicket send, against a scripted server."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.sendmail.scripted import EXTENSIONS, Scripted, scripted

from .office import Office

QUEUED = {".": "250 2.0.0 OK, queued as 0AMB2V0340000"}


@pytest.fixture
def server(office: Office) -> Scripted:
    with scripted(Scripted()) as probe:
        port = probe.port  # free again in a moment, and then ours
    office.config.write_text(
        "hostname = 'mail.example.org'\ndata = 'data'\n"
        f"[sendmail]\nport = {port}\ntls = 'none'\nusername = 'app@example.org'\n"
    )
    return Scripted(QUEUED, port=port)


def test_a_message_with_everything(office: Office, server: Scripted) -> None:
    file = office.folder / "größe.png"
    file.write_bytes(b"\x89PNG")
    with scripted(server):
        said = office(
            *("send", "--from", "Ann Lee <ann@example.org>", "--to", "bob@example.com"),
            *("--to", "carl@example.com", "--cc", "c@example.com", "--bcc", "eve@example.com"),
            *("--subject", "Grüße", "--text", "Hällo\n.\n", "--html", "<p>Hällo</p>"),
            *("--attach", str(file), "--header", "X-Tag: a: b"),
        )
    assert (said.status, said.out, said.err) == (0, "0AMB2V0340000\n", "")
    assert server.commands[1].startswith("MAIL FROM:<ann@example.org> ")
    assert [one[9:-1] for one in server.commands if one.startswith("RCPT")] == [
        "bob@example.com",
        "carl@example.com",
        "c@example.com",
        "eve@example.com",
    ]
    message = message_from_bytes(server.messages[0], policy=SMTP)
    assert message["From"] == "Ann Lee <ann@example.org>"
    assert message["To"] == "bob@example.com, carl@example.com"
    assert message["Bcc"] is None
    assert message["Subject"] == "Grüße"
    assert message["X-Tag"] == "a: b"
    assert message["Message-ID"].strip("<>").endswith("@example.org")
    text, html, png = (part for part in message.walk() if not part.is_multipart())
    assert text.get_payload(decode=True) == "Hällo\r\n.\r\n".encode()
    assert html.get_content_type() == "text/html"
    assert (png.get_filename(), png.get_content_type()) == ("größe.png", "image/png")


def test_text_from_elsewhere(office: Office, server: Scripted, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("from a file\n")
    for option, stdin, expected in (
        ("@text", "", b"from a file"),
        ("-", "from a pipe\n", b"from a pipe"),
    ):
        with scripted(server):
            office.json("send", "--to", "bob@example.com", "--text", option, stdin=stdin)
        assert server.messages[-1].endswith(b"\r\n\r\n" + expected + b"\r\n")
        assert b"From: app@example.org\r\n" in server.messages[-1]


def test_json(office: Office, server: Scripted) -> None:
    with scripted(server):
        found = office.json("send", "--to", "bob@example.com", "--html", "<p>x</p>")
    assert found == {
        "id": "0AMB2V0340000",
        "reply": "250 2.0.0 OK, queued as 0AMB2V0340000",
        "accepted": ["bob@example.com"],
        "refused": [],
    }
    assert b"Content-Type: text/html" in server.messages[0]


def test_another_server_and_a_password(office: Office, server: Scripted) -> None:
    office.config.write_text("hostname = 'mail.example.org'\ndata = 'data'\n")
    with scripted(server):
        said = office(
            *("send", "--to", "bob@example.com", "--user", "ann@example.org"),
            *("--host", "127.0.0.1", "--port", str(server.port), "--tls", "none"),
            "--password-stdin",
            stdin="abcd efgh ijkl mnop\n",
        )
    assert said.status == 0
    assert "MAIL FROM:<ann@example.org> " in " ".join(server.commands)
    proof = base64.b64encode(b"\0ann@example.org\0abcd efgh ijkl mnop").decode()
    assert f"AUTH PLAIN {proof}" in server.commands


@pytest.mark.parametrize(
    ("replies", "status", "told"),
    [
        ({"MAIL": "553 5.7.1 Not yours [sender.not-yours]"}, 1, "[sender.not-yours]"),
        ({"RCPT": "550 5.1.1 Nobody"}, 1, "bob@example.com: 550 5.1.1 Nobody"),
        ({".": "452 4.3.1 Disk full"}, 75, "452 4.3.1 Disk full"),
        ({"greeting": "421 4.3.2 Closing"}, 75, "is the server running?"),
    ],
)
def test_no_is_told_in_the_servers_words(
    office: Office, server: Scripted, replies: dict[str, str], status: int, told: str
) -> None:
    server.replies = replies
    with scripted(server):
        said = office("send", "--to", "bob@example.com")
    assert (said.status, said.out) == (status, "")
    assert told in said.err


def test_nobody_there_is_75(office: Office, server: Scripted) -> None:
    said = office("send", "--to", "bob@example.com")
    assert (said.status, said.out) == (75, "")
    assert f"127.0.0.1:{server.port} does not answer" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--to is missing"),
        (("--to", "a@b c@d"), "is not an address"),
        (("--to", "bob@example.com", "--from", "Lee, Ann <a@b.example>"), "is not one address"),
        (("--to", "bob@example.com", "--attach", "missing.png"), "cannot read missing.png"),
        (("--to", "bob@example.com", "--text", "@missing"), "cannot read missing"),
        (("--to", "bob@example.com", "--header", "nonsense"), "write 'Name: value'"),
        (("--to", "bob@example.com", "--header", "Subject: twice"), "a field is wrong"),
        (("--to", "bob@example.com", "--subject", "a\r\nBcc: x@y.example"), "a field is wrong"),
        (("--to", "bob@example.com", "--at", "tomorrow"), "is no time"),
        (("--to", "bob@example.com", "--at", "+9999999h"), "is no time"),
        (("--to", "bob@example.com", "--tls", "ssl"), "write starttls, implicit or none"),
        (("--to", "bob@example.com", "--password-stdin"), "no password on standard input"),
    ],
)
def test_wrong_calls(office: Office, server: Scripted, words: tuple[str, ...], told: str) -> None:
    with scripted(server):
        said = office("send", *words)
    assert (said.status, said.out) == (2, "")
    assert told in said.err
    assert server.messages == []


def test_names_beyond_ascii_are_encoded(office: Office, server: Scripted) -> None:
    with scripted(server):
        office.json("send", "--to", "Jürgen <bob@example.com>")
    assert server.messages[0].isascii()
    assert not any("SMTPUTF8" in command for command in server.commands)


def test_addresses_beyond_ascii(office: Office, server: Scripted) -> None:
    with scripted(server):
        office.json("send", "--to", "Jürgen <jürgen@example.com>", "--subject", "Grüße")
    assert "RCPT TO:<jürgen@example.com>" in server.commands
    assert "To: Jürgen <jürgen@example.com>\r\n".encode() in server.messages[0]


HOLDING = (*EXTENSIONS, "FUTURERELEASE 2592000 2030-01-31T00:00:00Z", "MT-PRIORITY")


def test_a_time_to_leave_and_a_place_in_the_line(office: Office, server: Scripted) -> None:
    server.extensions = HOLDING
    with scripted(server):
        office.json(
            "send",
            "--to",
            "bob@example.com",
            "--at",
            "2030-01-05T09:00:00+01:00",
            "--priority",
            "-3",
        )
        office.json("send", "--to", "bob@example.com", "--at", "+2h")
    first, second = [command for command in server.commands if command.startswith("MAIL")]
    assert first.endswith(" HOLDUNTIL=2030-01-05T08:00:00Z MT-PRIORITY=-3")
    until = datetime.fromisoformat(second.rpartition("HOLDUNTIL=")[2])
    assert abs((until - datetime.now(UTC)).total_seconds() - 7200) < 10


def test_a_server_that_holds_no_mail_is_not_given_any(office: Office, server: Scripted) -> None:
    with scripted(server):
        said = office("send", "--to", "bob@example.com", "--at", "+2h")
    assert said.status == 1
    assert "FUTURERELEASE" in said.err
    assert server.messages == []
