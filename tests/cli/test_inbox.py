"""postwicket inbox."""

from __future__ import annotations

import subprocess
import sys
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from postwicket.core.state import State

from .office import BODY, HEADER, Office


def captured(office: Office, message: EmailMessage) -> str:
    header, _, body = message.as_bytes(policy=SMTP).partition(b"\r\n\r\n")
    return office.accept(
        "bob@example.com", state=State.CAPTURED, header=header + b"\r\n", body=b"\r\n" + body
    )


def test_the_list_has_the_shape_of_the_contract(office: Office) -> None:
    name = office.accept("bob@example.com", "eve@example.net", state=State.CAPTURED)
    office.accept("carl@example.com", state=State.DEFERRED)
    (found,) = office.json("inbox", "list")
    assert set(found) == {
        "id",
        "message",
        "sender",
        "recipients",
        "subject",
        "size",
        "received",
    }
    assert found["id"] == name
    assert found["recipients"] == ["bob@example.com", "eve@example.net"]
    assert found["subject"] == "Grüße"
    assert "Grüße" in office("inbox", "list").out


def test_source_is_the_message_to_the_byte(office: Office) -> None:
    body = b"\r\n\xff\x80 raw\r\n.\r\n"
    name = office.accept("bob@example.com", state=State.CAPTURED, body=body)
    program = "import sys; from postwicket.cli.main import main; sys.exit(main())"
    words = ["inbox", "source", name, "--config", str(office.config)]
    found = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, check=True
    )
    assert found.stdout == HEADER + body


def test_source_as_json(office: Office) -> None:
    name = office.accept("bob@example.com", state=State.CAPTURED)
    found = office.json("inbox", "source", name)
    assert found == {"id": name, "source": (HEADER + BODY).decode()}


def test_show_is_readable(office: Office) -> None:
    message = EmailMessage()
    message["Subject"] = "Grüße aus Köln"
    message.set_content("Hällo\x1b[31m\n")
    message.add_alternative("<p>Hällo</p>", subtype="html")
    message.add_attachment(b"12345", maintype="image", subtype="png", filename="dot.png")
    name = captured(office, message)
    out = office("inbox", "show", name).out
    assert "Subject: Grüße aus Köln\n" in out
    assert "Hällo?[31m" in out
    assert "[dot.png: image/png, 5 octets]" in out
    assert "<p>" not in out
    found = office.json("inbox", "show", name)
    assert ["Subject", "Grüße aus Köln"] in found["headers"]
    assert found["html"].startswith("<p>Hällo</p>")
    assert found["attachments"] == [{"filename": "dot.png", "type": "image/png", "size": 5}]


def test_html_only_and_strange_character_sets(office: Office) -> None:
    message = EmailMessage()
    message.set_content("<p>x</p>", subtype="html")
    assert "HTML only" in office("inbox", "show", captured(office, message)).out
    header = b"Content-Type: text/plain; charset=martian\r\n"
    name = office.accept("bob@example.com", state=State.CAPTURED, header=header)
    assert "how are you?" in office("inbox", "show", name).out


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: message/rfc822\r\n\r\n" * 1500,
        b"Content-Type: text/plain; charset=idna\r\n\r\nhello\r\n",
        b"Content-Type: text/plain; charset=hex\r\n\r\nhello\r\n",
    ],
    ids=["deeper than Python goes", "for names only", "not for text"],
)
def test_mail_that_cannot_be_taken_apart_is_shown_as_far_as_it_can(
    office: Office, part: bytes
) -> None:
    header, _, body = part.partition(b"\r\n\r\n")
    header = b"Subject: odd\r\nTo: (((\r\n" + header + b"\r\n"
    name = office.accept(
        "bob@example.com", state=State.CAPTURED, header=header, body=b"\r\n" + body
    )
    said = office("inbox", "show", name)
    assert said.status == 0
    assert "Subject: odd\nTo: (((\n" in said.out
    assert "hello" in said.out or "cannot be taken apart" in said.err
    assert ["Subject", "odd"] in office.json("inbox", "show", name)["headers"]


def test_lines_of_text_end_as_a_terminal_wants_them(office: Office) -> None:
    message = EmailMessage()
    message.set_content("one\ntwo\n")
    assert office("inbox", "show", captured(office, message)).out.endswith("\n\none\ntwo\n")


def test_what_is_not_there(office: Office) -> None:
    name = office.accept("bob@example.com", state=State.DELIVERED)
    for verb in ("show", "source"):
        said = office("inbox", verb, name)
        assert (said.status, said.out) == (1, "")
        assert f"there is no {name} in the inbox; " in said.err
        assert office("inbox", verb, "nonsense").status == 2


def test_clear(office: Office) -> None:
    assert "the inbox is empty" in office("inbox", "list").err
    office.accept("bob@example.com", state=State.CAPTURED)
    office.accept("bob@example.com", state=State.CAPTURED)
    assert office.json("inbox", "clear") == {"removed": 2}
    assert office.json("inbox", "list") == []
