"""`postwicket send`: build a message and hand it in, as any application would."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from . import show
from .call import LATER, NO, WRONG, Call, ConfigOption, JsonOption, Refused, secret_line

if TYPE_CHECKING:
    from postwicket.sendmail.settings import Server
    from postwicket.sendmail.submit import Result

_OUR_FAULT: Final = frozenset({64, 65, 78})  # sysexits.h: usage, data, configuration
_SPAN: Final = re.compile(r"\+([0-9]{1,6})(m|h|d)")
_SPANS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_QUEUE_ID: Final = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{13}\b")

Addresses = Annotated[
    list[str] | None, typer.Option(metavar="ADDRESS", help="May be repeated.", show_default=False)
]
Author = Annotated[str | None, typer.Option("--from", metavar="ADDRESS", show_default=False)]
Text = Annotated[
    str | None,
    typer.Option(help="The text; @FILE reads a file, - standard input.", show_default=False),
]
Files = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="May be repeated.", show_default=False)
]
Fields = Annotated[
    list[str] | None,
    typer.Option(metavar="'NAME: VALUE'", help="May be repeated.", show_default=False),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Leave then: 2030-01-31T08:00:00Z, or +90m, +2h, +3d from now.",
        show_default=False,
    ),
]
Priority = Annotated[
    int, typer.Option(min=-9, max=9, help="Place in the line: -9 to 9, higher first.")
]
Host = Annotated[str | None, typer.Option(help="Another server.", show_default=False)]
Port = Annotated[int | None, typer.Option(min=1, max=65_535, show_default=False)]
TlsMode = Annotated[
    str | None, typer.Option(help="starttls, implicit or none.", show_default=False)
]
Authority = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Authority to trust.", show_default=False)
]
User = Annotated[str | None, typer.Option(metavar="ADDRESS", show_default=False)]
Password = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from a line of stdin.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What the options say of the message."""

    author: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    text: str | None
    html: str | None
    files: list[Path]
    at: str = ""
    priority: int = 0


def send(
    context: typer.Context,
    *,
    sender: Author = None,
    to: Addresses = None,
    cc: Addresses = None,
    bcc: Addresses = None,
    subject: str = "",
    text: Text = None,
    html: Text = None,
    attach: Files = None,
    header: Fields = None,
    at: At = None,
    priority: Priority = 0,
    host: Host = None,
    port: Port = None,
    tls: TlsMode = None,
    ca: Authority = None,
    user: User = None,
    password_stdin: Password = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message through this server, as its section `sendmail` says, and print its id."""
    from postwicket.sendmail import status

    call = Call.of(context, config, as_json)
    try:
        server = _server(call, host, port, tls, ca, user)
        server = replace(server, password=secret_line()) if password_stdin else server
        letter = Letter(
            author=sender or server.username,
            to=to or [],
            cc=cc or [],
            bcc=bcc or [],
            text=text,
            html=html,
            files=attach or [],
            at=_moment(at) if at else "",
            priority=priority,
        )
        _tell(call, _hand_in(letter, _message(letter, subject, header or []), server))
    except status.Failed as error:
        raise Refused(str(error), WRONG if error.status in _OUR_FAULT else NO) from None


def _hand_in(letter: Letter, message: EmailMessage, server: Server) -> Result:
    from postwicket.sendmail import mail
    from postwicket.sendmail.submit import Envelope, Session, Unreachable

    authors = mail.split_addresses([letter.author])
    if len(authors) != 1:
        raise Refused(f"--from {letter.author!r} is not one address; correct it", WRONG)
    recipients = mail.split_addresses([*letter.to, *letter.cc, *letter.bcc])
    envelope = Envelope(
        sender=mail.qualify(authors[0], server.hello),
        recipients=tuple(mail.unique([mail.qualify(one, server.hello) for one in recipients])),
        hold_until=letter.at,
        priority=letter.priority,
    )
    try:
        with Session(server) as session:
            return session.send(envelope, message.as_bytes())
    except Unreachable as error:
        raise Refused(f"{error}; is the server running? see postwicket serve", LATER) from None


def _moment(text: str) -> str:
    """Return a date and time in UTC as RFC 3339 writes it."""
    from datetime import UTC, datetime, timedelta

    relative = _SPAN.fullmatch(text)
    try:
        if relative:
            moment = datetime.now(UTC) + timedelta(**{_SPANS[relative[2]]: int(relative[1])})
        else:
            moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(
            f"--at {text!r} is no time; write 2030-01-31T08:00:00Z or +2h", WRONG
        ) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _server(
    call: Call,
    host: str | None,
    port: int | None,
    tls: str | None,
    ca: Path | None,
    user: str | None,
) -> Server:
    from postwicket.sendmail.settings import find, load

    given = {"HOST": host, "PORT": port, "TLS": tls, "CA": ca, "USERNAME": user}
    over = {f"POSTWICKET_SENDMAIL__{key}": str(value) for key, value in given.items() if value}
    environ = {**os.environ, **over}
    file = find(None if call.config is None else str(call.config), environ)
    return load(file, environ).server


def _message(letter: Letter, subject: str, fields: list[str]) -> EmailMessage:
    from email.policy import SMTP, SMTPUTF8
    from email.utils import formatdate, make_msgid

    from postwicket.sendmail import mail

    if not letter.author or not [*letter.to, *letter.cc, *letter.bcc]:
        missing = "--to" if letter.author else "--from"
        raise Refused(f"{missing} is missing; give an address", WRONG)
    # An address beyond ASCII cannot be encoded, only sent as it is (RFC 6532).
    addresses = mail.split_addresses([letter.author, *letter.to, *letter.cc])
    plain = all(address.isascii() for address in addresses)
    message = EmailMessage(policy=SMTP if plain else SMTPUTF8)
    try:
        message["From"] = letter.author
        for name, values in (("To", letter.to), ("Cc", letter.cc)):
            if values:
                message[name] = ", ".join(values)
        if not letter.to and not letter.cc:
            message["To"] = "undisclosed-recipients:;"
        message["Subject"] = subject
        for line in fields:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!-9;-~]+", name):
                raise Refused(f"--header {line!r} is no field; write 'Name: value'", WRONG)
            message[name] = value.strip()
    except ValueError as error:
        raise Refused(f"a field is wrong: {error}; correct it", WRONG) from None
    domain = letter.author.rpartition("@")[2].strip("> ")
    made = {
        "Date": formatdate(localtime=True),
        "Message-ID": make_msgid(domain=domain if domain.isascii() and domain else "localhost"),
    }
    for name, value in made.items():
        if name not in message:
            message[name] = value
    _fill(message, letter.text, letter.html, letter.files)
    return message


def _fill(message: EmailMessage, text: str | None, html: str | None, files: list[Path]) -> None:
    import mimetypes

    message.set_content(_read(text) if text is not None or html is None else "")
    if html is not None:
        if text is None:
            message.set_content(_read(html), subtype="html")
        else:
            message.add_alternative(_read(html), subtype="html")
    for file in files:
        guessed, encoding = mimetypes.guess_type(file.name)
        kind = guessed if guessed and not encoding else "application/octet-stream"
        main, _, sub = kind.partition("/")
        try:
            data = file.read_bytes()
        except OSError as error:
            raise Refused(f"cannot read {file}: {error.strerror}; check the path", WRONG) from None
        message.add_attachment(data, maintype=main, subtype=sub, filename=file.name)


def _read(text: str | None) -> str:
    if text is None:
        return ""
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise Refused(f"cannot read {text[1:]}: {reason}; check the path", WRONG) from None


def _tell(call: Call, result: Result) -> None:
    reply = str(result.reply or "")
    found = _QUEUE_ID.search(reply)
    missed = {**result.refused, **result.deferred}
    if call.json:
        show.document(
            {
                "id": found[0] if found else None,
                "reply": reply,
                "accepted": result.accepted,
                "refused": [
                    {"recipient": recipient, "reply": str(answer)}
                    for recipient, answer in missed.items()
                ],
            }
        )
    elif result.accepted:
        show.say(found[0] if found else reply)
    for recipient, answer in missed.items():
        show.hint(f"postwicket: {recipient}: {answer}")
    if result.deferred:
        raise typer.Exit(LATER)
    if result.refused:
        raise typer.Exit(NO)
