"""Where mail is handed in: the [sendmail] section of the server's own configuration file.

Read with tomllib and without checking the rest, which `postwicket config check` does.  The
environment (POSTWICKET_SENDMAIL__HOST and so on) goes over the file.
"""

from __future__ import annotations

import getpass
import os
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from . import status

_PLACES: Final = (Path("postwicket.toml"), Path("/etc/postwicket/postwicket.toml"))
_KEYS: Final[tuple[str, ...]] = ("host", "port", "tls", "username", "password_file", "ca", "spool")
_PATHS: Final[tuple[str, ...]] = ("password_file", "ca", "spool")
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server, who we are to it, and how we know that it is the right one.

    `name` is the name its certificate must have; `ca` an authority file, or None for the
    system's; `hello` what we call ourselves.
    """

    host: str
    port: int
    tls: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    name: str = ""
    hello: str = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that one call needs."""

    server: Server
    hostname: str
    spool: Path

    @property
    def sender(self) -> str:
        """Who mail is from when nobody says: the account, else the user at this machine."""
        return self.server.username or f"{_user()}@{self.hostname}"


def find(option: str | None, environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file, as the command line of the server finds it."""
    if option is not None:
        return Path(option)
    if environ.get("POSTWICKET_CONFIG"):
        return Path(environ["POSTWICKET_CONFIG"])
    return next((place for place in _PLACES if place.is_file()), None)


def load(file: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings; raise `Failed` with CONFIG when they cannot be had."""
    tree = _toml(file) if file is not None else {}
    folder = file.absolute().parent if file is not None else Path.cwd()
    section = tree.get("sendmail", {})
    if not isinstance(section, dict):
        raise _wrong(file, "sendmail is no section; write [sendmail]")
    given = {key: section[key] for key in _KEYS if key in section}
    over = {
        key: environ[f"POSTWICKET_SENDMAIL__{key.upper()}"]
        for key in _KEYS
        if f"POSTWICKET_SENDMAIL__{key.upper()}" in environ
    }
    if file is None and not over:
        raise status.Failed(
            status.CONFIG,
            "there is no configuration; set POSTWICKET_CONFIG or make "
            "/etc/postwicket/postwicket.toml",
        )
    paths = {key: folder / Path(str(given[key])).expanduser() for key in _PATHS if key in given}
    paths |= {key: Path(over[key]).expanduser() for key in _PATHS if key in over}
    hostname = str(environ.get("POSTWICKET_HOSTNAME") or tree.get("hostname") or _machine())
    data = folder / str(tree.get("data", "/var/lib/postwicket"))
    data = Path(environ["POSTWICKET_DATA"]) if environ.get("POSTWICKET_DATA") else data
    server = _server(file, {**given, **over}, paths, hostname, data, own="tls" not in tree)
    return Settings(
        server=server, hostname=hostname, spool=paths.get("spool") or _spool(data, environ)
    )


def _server(
    file: Path | None,
    given: Mapping[str, Any],
    paths: Mapping[str, Path],
    hostname: str,
    data: Path,
    *,
    own: bool,
) -> Server:
    host = str(given.get("host", "127.0.0.1"))
    tls = str(given.get("tls", "starttls"))
    port = str(given.get("port", 587))
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise _wrong(file, f"sendmail.port is {port[:20]!r}; write a number up to 65535")
    if tls not in {"starttls", "implicit", "none"}:
        raise _wrong(file, f"sendmail.tls is {tls[:20]!r}; write starttls, implicit or none")
    username = str(given.get("username", ""))
    password = _password(paths["password_file"]) if "password_file" in paths else ""
    local = host.lower() in _LOCAL
    if password and tls == "none" and not local:
        raise _wrong(file, 'sendmail.tls = "none" would give the password away; write "starttls"')
    own_ca = data / "ca.pem"
    # A certificate from [tls] is made out to the public name, though we connect to 127.0.0.1.
    return Server(
        host=host,
        port=int(port),
        tls=tls,
        username=username,
        password=password,
        ca=paths.get("ca") or (own_ca if own and local and own_ca.is_file() else None),
        name=hostname if local and not own else host,
        hello=hostname,
    )


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(file, f"cannot read it: {error.strerror}; check path and rights") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(file, f"it is not TOML: {error}; mend that line") from None


def _password(file: Path) -> str:
    try:
        first = file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise _wrong(file, f"cannot read it: {reason}; check path and rights") from None
    if not first:
        raise _wrong(file, "it is empty; put the app password in its first line")
    return first


def _spool(data: Path, environ: Mapping[str, str]) -> Path:
    spool = data / "spool"
    if os.access(spool if spool.is_dir() else data, os.W_OK | os.X_OK):
        return spool
    try:
        state = environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    except RuntimeError:  # a user without a home
        return spool
    return Path(state) / "postwicket" / "spool"


def _machine() -> str:
    name = socket.gethostname()
    return name if "." in name else f"{name or 'localhost'}.localdomain"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


def _wrong(file: Path | None, text: str) -> status.Failed:
    return status.Failed(status.CONFIG, f"{file or 'environment'}: {text}")
