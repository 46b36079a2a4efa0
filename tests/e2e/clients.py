"""The mail programs that people use, each told to send the same letter as its manual says.

Every client verifies the server's certificate, signs in with an app password, and sends to
somebody in To, somebody in Cc and somebody in Bcc, with a subject in UTF-8 and an attachment.
It returns what must be found in the attachment.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.needs import missing, need

from .server import HOST, PATIENCE, SENDMAIL, Postwicket, SignIn

HERE: Final = Path(__file__).parent
SENDER: Final = "ann@example.org"
TO: Final = "bob@example.com"
CC: Final = "carl@example.net"
BCC: Final = "eve@example.com"
SUBJECT: Final = "Grüße aus Köln: 25 € für Łukasz"
# Lines that begin with a dot, a line of a dot, and From at the start tempt every program.
TEXT: Final = "Guten Tag,\n.so fängt eine Zeile an\n.\n..\nFrom here on\n\nschöne Grüße\n"
ATTACHMENT: Final = bytes(range(256)) * 12
ENCODED_SUBJECT: Final = f"=?utf-8?b?{base64.b64encode(SUBJECT.encode()).decode()}?="


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to send, and as whom; `folder` is the client's to write in."""

    port: int
    tls: str
    sign_in: SignIn
    ca: Path
    folder: Path
    server: Postwicket

    @property
    def implicit(self) -> bool:
        """Say whether TLS starts at once, as on port 465."""
        return self.tls == "implicit"


def _run(place: Place, *words: str | Path, stdin: bytes = b"", **environ: str) -> None:
    environ = {"HOME": str(place.folder), "LC_ALL": "C.UTF-8"} | environ
    done = subprocess.run(
        words,
        cwd=place.folder,
        env=place.server.environ(**environ),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]


def _attachment(place: Place) -> Path:
    file = place.folder / "wicket.bin"
    file.write_bytes(ATTACHMENT)
    return file


def letter(*, bcc: bool = True) -> EmailMessage:
    """Return the letter as Python's own library builds it."""
    message = EmailMessage()
    message["From"], message["To"], message["Cc"] = f"Ann Ähnlich <{SENDER}>", TO, CC
    if bcc:
        message["Bcc"] = BCC
    message["Subject"] = SUBJECT
    message.set_content(TEXT, cte="quoted-printable")
    message.add_attachment(
        ATTACHMENT, maintype="application", subtype="octet-stream", filename="wicket.bin"
    )
    return message


def with_smtplib(place: Place) -> bytes:
    context = ssl.create_default_context(cafile=place.ca)
    if place.implicit:
        client: smtplib.SMTP = smtplib.SMTP_SSL(HOST, place.port, context=context)
    else:
        client = smtplib.SMTP(HOST, place.port)
    with client as smtp:
        if not place.implicit:
            smtp.starttls(context=context)
        smtp.login(place.sign_in.user, place.sign_in.password)
        smtp.send_message(letter())
    return ATTACHMENT


def with_swaks(place: Place) -> bytes:
    text = place.folder / "text"
    text.write_text(TEXT)
    _run(
        place,
        *(need("swaks"), "--server", HOST, "--port", str(place.port)),
        *("--tls-on-connect" if place.implicit else "--tls", "--tls-verify"),
        *("--tls-ca-path", place.ca, "--ehlo", "laptop.example.org"),
        *("--auth", "PLAIN", "--auth-user", place.sign_in.user),
        *("--auth-password", place.sign_in.password),
        *("--from", SENDER, "--to", f"{TO},{CC},{BCC}"),
        *("--header", f"Subject: {ENCODED_SUBJECT}", "--header", f"To: {TO}"),
        *("--header", f"Cc: {CC}", "--add-header", f"Bcc: {BCC}"),
        *("--attach-type", "text/plain; charset=utf-8", "--attach-body", f"@{text}"),
        *("--attach-type", "application/octet-stream", "--attach-name", "wicket.bin"),
        *("--attach", f"@{_attachment(place)}"),
    )
    return ATTACHMENT


def with_curl(place: Place) -> bytes:
    text = place.folder / "text"
    text.write_text(TEXT)
    scheme = "smtps" if place.implicit else "smtp"
    _run(
        place,
        *(need("curl"), "--silent", "--show-error", "--disable"),
        *("--url", f"{scheme}://{HOST}:{place.port}/laptop.example.org"),
        *("--ssl-reqd", "--cacert", place.ca),
        *("--user", f"{place.sign_in.user}:{place.sign_in.password}"),
        *("--mail-from", SENDER, "--mail-rcpt", TO, "--mail-rcpt", CC, "--mail-rcpt", BCC),
        *("-H", f"From: {SENDER}", "-H", f"To: {TO}", "-H", f"Cc: {CC}", "-H", f"Bcc: {BCC}"),
        *("-H", f"Subject: {ENCODED_SUBJECT}"),
        *("-F", f"=<{text};type=text/plain; charset=utf-8;encoder=quoted-printable"),
        *("-F", f"=@{_attachment(place)};type=application/octet-stream;encoder=base64"),
    )
    return ATTACHMENT


def with_msmtp(place: Place) -> bytes:
    config = place.folder / "msmtprc"
    config.touch(mode=0o600)
    config.write_text(
        f"account default\nhost {HOST}\nport {place.port}\ndomain laptop.example.org\n"
        f"tls on\ntls_starttls {'off' if place.implicit else 'on'}\ntls_trust_file {place.ca}\n"
        f"auth plain\nuser {place.sign_in.user}\npassword {place.sign_in.password}\n"
        f"from {SENDER}\nremove_bcc_headers off\n"
    )
    _run(place, need("msmtp"), "-C", config, "-t", stdin=letter().as_bytes())
    return ATTACHMENT


def with_s_nail(place: Place) -> bytes:
    scheme = "submissions" if place.implicit else "submission"
    who = f"{quote(place.sign_in.user, safe='')}:{place.sign_in.password}"
    settings = (
        *("v15-compat", "sendwait", f"mta={scheme}://{who}@{HOST}:{place.port}"),
        *("smtp-auth=plain", f"tls-ca-file={place.ca}", "tls-ca-no-defaults"),
        *("tls-verify=strict", "ttycharset=utf-8", "sendcharsets=utf-8"),
        *(() if place.implicit else ("smtp-use-starttls",)),
    )
    options = [word for setting in settings for word in ("-S", setting)]
    _run(
        place,
        *(need("s-nail"), "-:/", *options, "-r", SENDER, "-s", SUBJECT),
        *("-a", _attachment(place), "-c", CC, "-b", BCC, TO),
        stdin=TEXT.encode(),
    )
    return ATTACHMENT


def with_git(place: Place) -> bytes:
    need("/usr/lib/git-core/git-send-email", "git-email")
    repository = place.folder / "repository"
    git: tuple[str | Path, ...] = (need("git"), "-C", repository)
    git = (*git, "-c", "user.name=Ann Ähnlich", "-c", f"user.email={SENDER}")
    _run(place, need("git"), "init", "--quiet", repository)
    (repository / "wicket.txt").write_text(TEXT)
    _run(place, *git, "add", "wicket.txt")
    _run(place, *git, "commit", "--quiet", "-m", SUBJECT)
    _run(place, *git, "format-patch", "--quiet", "--attach", "--root", "HEAD")
    (patch,) = repository.glob("*.patch")
    settings = {
        "smtpServer": HOST,
        "smtpServerPort": str(place.port),
        "smtpEncryption": "ssl" if place.implicit else "tls",
        "smtpSSLCertPath": str(place.ca),
        "smtpUser": place.sign_in.user,
        "smtpPass": place.sign_in.password,
        "smtpDomain": "laptop.example.org",
    }
    options = [
        word for key, value in settings.items() for word in ("-c", f"sendemail.{key}={value}")
    ]
    _run(
        place,
        *(*git, *options, "send-email", "--quiet", "--confirm=never", "--suppress-cc=all"),
        *(f"--from={SENDER}", f"--to={TO}", f"--cc={CC}", f"--bcc={BCC}", patch.name),
    )
    return "+.so fängt eine Zeile an".encode()


NODEMAILER: Final = """
const {place, letter} = JSON.parse(require("fs").readFileSync(0));
const transport = require("nodemailer").createTransport({
  host: place.host, port: place.port, secure: place.implicit, requireTLS: !place.implicit,
  auth: {user: place.user, pass: place.password},
  tls: {ca: require("fs").readFileSync(place.ca)},
});
letter.attachments[0].content = Buffer.from(letter.attachments[0].content, "base64");
transport.sendMail(letter).catch(error => { console.error(error); process.exitCode = 1; });
"""


@cache
def _nodemailer() -> Path:
    """Return a folder with nodemailer, fetched once and kept outside of the project."""
    npm = need("npm")
    lock = HERE / "nodemailer"
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = cache_folder / "postwicket-tests" / "nodemailer"
    if (folder / "package-lock.json").exists() and (folder / "node_modules").is_dir():
        known = (folder / "package-lock.json").read_bytes()
        if known == (lock / "package-lock.json").read_bytes():
            return folder / "node_modules"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(lock / file, folder)
    fetched = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if fetched.returncode:
        (folder / "package-lock.json").unlink()
        missing(f"npm cannot fetch nodemailer; look at its network: {fetched.stderr[-500:]}")
    return folder / "node_modules"


def with_nodemailer(place: Place) -> bytes:
    node = need("node", "nodejs")
    asked = {
        "place": {
            "host": HOST,
            "port": place.port,
            "implicit": place.implicit,
            "user": place.sign_in.user,
            "password": place.sign_in.password,
            "ca": str(place.ca),
        },
        "letter": {
            "from": SENDER,
            "to": TO,
            "cc": CC,
            "bcc": BCC,
            "subject": SUBJECT,
            "text": TEXT,
            "attachments": [
                {"filename": "wicket.bin", "content": base64.b64encode(ATTACHMENT).decode()}
            ],
        },
    }
    environ = {"NODE_PATH": str(_nodemailer())}
    _run(place, node, "-e", NODEMAILER, stdin=json.dumps(asked).encode(), **environ)
    return ATTACHMENT


def with_php(place: Place) -> bytes:
    php = need("php", "php-cli")
    message = letter()
    del message["To"], message["Subject"]
    header, _, body = message.as_bytes().partition(b"\n\n")
    (place.folder / "header").write_bytes(header.replace(b"\n", b"\r\n"))
    (place.folder / "body").write_bytes(body)
    program = (
        f'exit(mail("{TO}", "{ENCODED_SUBJECT}", file_get_contents("body"), '
        'file_get_contents("header")) ? 0 : 1);'
    )
    secret = place.folder / "secret"
    secret.touch(mode=0o600)
    secret.write_text(place.sign_in.password + "\n")
    _run(
        place,
        *(php, "-n", "-d", f"sendmail_path={SENDMAIL} -t -i -f {SENDER}", "-r", program),
        POSTWICKET_CONFIG=str(place.server.config),
        POSTWICKET_SENDMAIL__HOST=HOST,
        POSTWICKET_SENDMAIL__PORT=str(place.port),
        POSTWICKET_SENDMAIL__TLS=place.tls,
        POSTWICKET_SENDMAIL__USERNAME=place.sign_in.user,
        POSTWICKET_SENDMAIL__PASSWORD_FILE=str(secret),
        POSTWICKET_SENDMAIL__CA=str(place.ca),
    )
    return ATTACHMENT


CLIENTS: Final[dict[str, Callable[[Place], bytes]]] = {
    "smtplib": with_smtplib,
    "swaks": with_swaks,
    "curl": with_curl,
    "msmtp": with_msmtp,
    "s-nail": with_s_nail,
    "git send-email": with_git,
    "nodemailer": with_nodemailer,
    "PHP mail()": with_php,
}
