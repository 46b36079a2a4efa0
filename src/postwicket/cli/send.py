"""`postwicket send`: build a message and hand it in, as any application would."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from . import show
from .call import LATER, NO, WRONG, Call, ConfigOption, JsonOption, Refused, secret_line

if TYPE_CHECKING:
    from postwicket.sendmail.settings import Server
    from postwicket.sendmail.submit import Result

_QUEUE_ID: Final = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{13}\b")

AddressesOption = Annotated[
    list[str] | None, typer.Option(metavar="ADDRESS", help="May be repeated.", show_default=False)
]
TextOption = Annotated[
    str | None,
    typer.Option(help="The text; @FILE reads a file, - standard input.", show_default=False),
]


def send(
    context: typer.Context,
    *,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", show_default=False)
    ] = None,
    to: AddressesOption = None,
    cc: AddressesOption = None,
    bcc: AddressesOption = None,
    subject: str = "",
    text: TextOption = None,
    html: TextOption = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="May be repeated.", show_default=False),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="May be repeated.", show_default=False),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Another server.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, show_default=False)] = None,
    tls: Annotated[
        str | None, typer.Option(help="starttls, implicit or none.", show_default=False)
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authority to trust.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="ADDRESS", show_default=False)] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from a line of stdin.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message through this server, as its section `sendmail` says, and print its id."""
    from postwicket.sendmail import mail, status
    from postwicket.sendmail.submit import Envelope, Session, Unreachable

    call = Call.of(context, config, as_json)
    try:
        server = _server(call, host, port, tls, ca, user)
        if password_stdin:
            server = replace(server, password=secret_line())
        author = sender or server.username
        recipients = [*(to or []), *(cc or []), *(bcc or [])]
        if not author or not recipients:
            missing = "--from" if not author else "--to"
            raise Refused(f"{missing} is missing; give an address", WRONG)
        message = _message(author, to or [], cc or [], subject, header or [])
        _fill(message, text, html, attach or [])
        addresses = mail.split_addresses([author, *recipients])
        envelope = Envelope(
            sender=mail.qualify(addresses[0], server.hello),
            recipients=tuple(mail.qualify(one, server.hello) for one in addresses[1:]),
        )
        with Session(server) as session:
            result = session.send(envelope, message.as_bytes())
    except status.Failed as error:
        wrong = error.status in {status.CONFIG, status.USAGE, status.DATAERR}
        raise Refused(str(error), WRONG if wrong else NO) from None
    except Unreachable as error:
        raise Refused(f"{error}; is the server running? see postwicket serve", LATER) from None
    _tell(call, result)


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


def _message(
    author: str, to: list[str], cc: list[str], subject: str, headers: list[str]
) -> EmailMessage:
    from email.policy import SMTP
    from email.utils import formatdate, make_msgid

    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = author
        for name, values in (("To", to), ("Cc", cc)):
            if values:
                message[name] = ", ".join(values)
        if not to and not cc:
            message["To"] = "undisclosed-recipients:;"
        message["Subject"] = subject
        for line in headers:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!-9;-~]+", name):
                raise Refused(f"--header {line!r} is no field; write 'Name: value'", WRONG)
            message[name] = value.strip()
    except ValueError as error:
        raise Refused(f"a field is wrong: {error}; correct it", WRONG) from None
    domain = author.rpartition("@")[2].strip("> ") or "localhost"
    for name, made in (
        ("Date", formatdate(localtime=True)),
        ("Message-ID", make_msgid(domain=domain)),
    ):
        if name not in message:
            message[name] = made
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
