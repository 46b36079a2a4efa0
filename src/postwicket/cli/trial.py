"""`postwicket try`: a server for trying things out, with nothing to set up.

Everything is in one folder: the configuration (a file to grow up with, never overwritten once
it was edited), the authority, the database, and the app password of the first account, which
stays the same across restarts.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from . import show
from .call import LATER, NO, WRONG, Call, ConfigOption, JsonOption, Refused, now, tell_journal
from .trial_file import FILE, Ports, render, unedited

if TYPE_CHECKING:
    from postwicket.config import Configuration
    from postwicket.net.authority import Authority
    from postwicket.supervisor import OpenListener

USER: Final = "you@postwicket.test"
HOST: Final = "127.0.0.1"
SECRET: Final = "you.secret"  # noqa: S105 - the name of a file
USUAL: Final = Ports(smtp=2587, smtps=2465, http=8025)

PortOption = Annotated[
    int | None, typer.Option(min=0, max=65_535, metavar="N", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an application needs to know."""

    smtp_port: int | None
    smtps_port: int | None
    http_port: int | None
    password: str
    ca: Path
    config: Path

    def document(self) -> dict[str, object]:
        """Return them as JSON shows them."""
        return {
            "host": HOST,
            "smtp_port": self.smtp_port,
            "smtps_port": self.smtps_port,
            "http_port": self.http_port,
            "web": f"http://{HOST}:{self.http_port}/" if self.http_port else None,
            "user": USER,
            "password": self.password,
            "ca": str(self.ca),
            "config": str(self.config),
        }


def start(
    context: typer.Context,
    *,
    data: Annotated[Path, typer.Option(metavar="DIR", help="The folder for everything.")] = Path(
        "postwicket-data"
    ),
    smtp_port: PortOption = None,
    smtps_port: PortOption = None,
    http_port: PortOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a server for trying things out: no configuration, no root, mail stays in an inbox."""
    from postwicket import supervisor
    from postwicket.net.authority import AuthorityBroken, ensure_authority
    from postwicket.storage.interfaces import StorageUnavailable

    call = Call.of(context, config, as_json)
    if call.config is not None:
        raise Refused("try has its own configuration; for yours, run postwicket serve", WRONG)
    given = {"smtp": smtp_port, "smtps": smtps_port, "http": http_port}
    file = _prepare(data, {name: port for name, port in given.items() if port is not None})
    configuration = Call(config=file).configuration()
    _check_ports(configuration)
    folder = configuration.settings.data
    try:
        authority = ensure_authority(folder, configuration.settings.hostname)
        password = first_account(folder)
    except AuthorityBroken as error:
        raise Refused(str(error)) from None
    except StorageUnavailable as error:
        raise Refused(f"{error}; is the folder {data} yours to write?", LATER) from None

    def ready(listeners: Sequence[OpenListener]) -> None:
        _tell(_facts(listeners, password, authority, file), as_json=call.json)

    status = supervisor.serve(configuration.settings, config_path=file, ready=ready)
    raise typer.Exit(status)


def _prepare(data: Path, given: dict[str, int]) -> Path:
    """Make the folder and its configuration file; return the file."""
    file = data / FILE
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = unedited(file.read_text(encoding="utf-8")) if file.exists() else USUAL
        if known is None:
            if given:
                raise Refused(f"{file} was edited; change its ports there, without options", WRONG)
            return file
        ports = Ports(
            smtp=_free(given.get("smtp", known.smtp)),
            smtps=_free(given.get("smtps", known.smtps)),
            http=_free(given.get("http", known.http)),
        )
        draft = file.with_name(f".{FILE}.{os.getpid()}")
        draft.write_text(render(ports), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise Refused(f"cannot write {file}: {error.strerror}; choose another --data") from None
    return file


def _free(port: int) -> int:
    """Return the port; for 0, one that is free now, so that the file can name it."""
    if port:
        return port
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        found: int = probe.getsockname()[1]
        return found


def _check_ports(configuration: Configuration) -> None:
    options = {"starttls": "--smtp-port", "implicit": "--smtps-port", "none": "--http-port"}
    for listener in configuration.settings.listener:
        family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
        with closing(socket.socket(family)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((listener.host, listener.port))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                what = "is in use" if taken else f"cannot be opened ({error.strerror})"
                raise Refused(
                    f"port {listener.port} on {listener.host} {what}; stop what uses it, "
                    f"or choose another with {options[listener.tls]} N",
                    NO,
                ) from None


def first_account(data: Path) -> str:
    """Return the app password of the first account, making what is missing."""
    from postwicket.identity.app_password import fingerprint, generate, letters_of
    from postwicket.identity.keys import load_key
    from postwicket.storage.opening import open_store

    with closing(open_store(data)) as store:
        key = load_key(data)
        if store.account(USER) is None:
            store.add_account(USER, name="Trying things out", password_hash="", now=now())
            tell_journal(store, "account add", USER, "by postwicket try")
        secret = data / SECRET
        known = letters_of(secret.read_text().strip()) if secret.exists() else None
        valid = {one.fingerprint for one in store.app_passwords(USER) if one.revoked is None}
        if known is not None and fingerprint(key, known) in valid:
            return known
        letters = generate()
        # First the file: a password that nobody knows would be of no use to anybody.
        _write_secret(secret, letters)
        store.add_app_password(
            USER, label="postwicket try", fingerprint=fingerprint(key, letters), now=now()
        )
        tell_journal(store, "app-password add", USER, "by postwicket try")
        return letters


def _write_secret(file: Path, letters: str) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(letters + "\n")
    draft.replace(file)


def _facts(
    listeners: Sequence[OpenListener], password: str, authority: Authority, file: Path
) -> Facts:
    ports = {
        ("http" if one.listener.kind == "http" else one.listener.tls): one.port
        for one in reversed(listeners)
    }
    return Facts(
        smtp_port=ports.get("starttls"),
        smtps_port=ports.get("implicit"),
        http_port=ports.get("http"),
        password=password,
        ca=authority.ca,
        config=file,
    )


def _tell(facts: Facts, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts.document()) + "\n")
    elif sys.stdout.isatty():
        _panel(facts)
        _snippet(facts)
    else:
        for key, value in facts.document().items():
            show.say(f"{key:<11} {value}")
        _snippet(facts)
    sys.stdout.flush()


def _panel(facts: Facts) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from postwicket.identity.app_password import grouped

    made = Table.grid(padding=(0, 2))
    for key, value in (
        ("host", HOST),
        ("port", f"{facts.smtp_port} (STARTTLS) or {facts.smtps_port} (TLS from the start)"),
        ("user", USER),
        ("password", grouped(facts.password)),
        ("CA file", str(facts.ca)),
        ("inbox", f"http://{HOST}:{facts.http_port}/"),
        ("settings", str(facts.config)),
    ):
        made.add_row(Text(key, "dim"), Text(value, "bold"))
    title = Text("Postwicket is open", "bold green")
    show.console().print(Panel(made, title=title, border_style="green", expand=False))


def _snippet(facts: Facts) -> None:
    """Print a program to paste; plain, so that copying takes nothing else along."""
    option = f"--config {facts.config}"
    # In a checkout the command is not on the path; what is printed must work as it stands.
    program = "postwicket" if shutil.which("postwicket") else sys.argv[0]
    show.say(f"""
# mail.py: your first message
import smtplib, ssl
from email.message import EmailMessage

message = EmailMessage()
message["From"], message["To"] = "{USER}", "ann@example.com"
message["Subject"] = "Hello"
message.set_content("It works.")
with smtplib.SMTP("{HOST}", {facts.smtp_port}) as smtp:
    smtp.starttls(context=ssl.create_default_context(cafile="{facts.ca}"))
    smtp.login("{USER}", "{facts.password}")
    smtp.send_message(message)

Then look:            {program} inbox list {option}
Without a program:    {program} send --to ann@example.com --subject Hello {option}
From other addresses: {program} account grant {USER} '*@your-domain.example' {option}
Control-C stops it; the folder {facts.config.parent} keeps everything.
""")
