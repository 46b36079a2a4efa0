"""What only a look at the machine can tell: are the files there, may we read them, who else may.

`postwicket config check` asks this; reading the configuration does not, so that commands work
for people who may not read the server's keys.
"""

from __future__ import annotations

import grp
import os
import pwd
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from postwicket.net.reach import may_leave_from
from postwicket.trust.servers import Server, Servers

from .errors import ConfigError, Problem
from .load import Configuration
from .settings import Settings
from .transport import Tls, Upstream, read_secret
from .values import is_loopback, socket_address


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem; `fatal` when the server cannot run with it."""

    problem: Problem
    fatal: bool


def examine(configuration: Configuration) -> list[Finding]:
    """Return what is wrong or doubtful about files and users."""
    settings = configuration.settings
    found = list(_folder(settings))
    found += _users(settings)
    if settings.tls is not None:
        found += _certificate(settings.tls)
    for index, upstream in enumerate(settings.upstream):
        found += _upstream(upstream, f"upstream[{index}]")
    found += _sending(settings)
    if settings.sendmail.password_file is not None:
        found += _secret(settings.sendmail.password_file, "sendmail.password_file")
    if any(upstream.password for upstream in settings.upstream) and configuration.file:
        found += _others_may_read(configuration.file, "upstream.password")
    return found


def _fatal(key: str, text: str) -> Finding:
    return Finding(Problem("", key, text), fatal=True)


def _doubt(key: str, text: str) -> Finding:
    return Finding(Problem("", key, text), fatal=False)


def _folder(settings: Settings) -> Iterator[Finding]:
    data = settings.data
    if data.exists() and not data.is_dir():
        yield _fatal("data", f"{data} is not a folder; name another path")
    elif not data.exists():
        above = next(folder for folder in data.absolute().parents if folder.exists())
        if not os.access(above, os.W_OK):
            yield _fatal("data", f"{data} does not exist and {above} cannot be written; make it")
    elif not os.access(data, os.W_OK | os.X_OK):
        yield _doubt("data", f"you may not write in {data}; run this as the server's user")


def _users(settings: Settings) -> Iterator[Finding]:
    lookups: tuple[tuple[str, str | None, Callable[[str], object]], ...] = (
        ("user", settings.user, pwd.getpwnam),
        ("group", settings.group, grp.getgrnam),
    )
    for key, name, look_up in lookups:
        try:
            _ = look_up(name) if name is not None else None
        except KeyError:
            yield _fatal(key, f"there is no {key} {name!r}; make it or name another")


def _certificate(tls: Tls) -> Iterator[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    missing = False
    for key, file in (("tls.certificate", tls.certificate), ("tls.key", tls.key)):
        reason = _unreadable(file)
        if reason:
            missing = True
            yield _fatal(key, f"cannot read {file}: {reason}; check the path and its rights")
    if missing:
        return
    try:
        # The callback keeps OpenSSL from asking the terminal for the key's passphrase.
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        yield _fatal("tls", f"certificate and key do not work together ({reason}); renew them")
    yield from _others_may_read(tls.key, "tls.key")


def _sending(settings: Settings) -> Iterator[Finding]:
    delivery = settings.delivery
    sources = [("delivery.source_address", delivery.source_address)]
    sources += [
        (f"route[{i}].source_address", r.source_address) for i, r in enumerate(settings.route)
    ]
    for key, addresses in sources:
        for address in (addresses or "").split():
            if not may_leave_from(address):
                yield _doubt(
                    key, f"{address} is no address of this machine; nothing can leave from it"
                )
    if delivery.ca is not None:
        yield from _authorities(delivery.ca, "delivery.ca")
    if delivery.dnssec:
        given = [Server(*socket_address(text)) for text in delivery.resolver]
        for server in Servers(given, time.time).in_order():
            if not is_loopback(server.address):
                yield _doubt(
                    "delivery.dnssec",
                    f"whoever is between {server.address} and this machine can forge what is "
                    "believed then; run a validating resolver on this machine",
                )


def _upstream(upstream: Upstream, key: str) -> Iterator[Finding]:
    if upstream.password_file is not None:
        yield from _secret(upstream.password_file, f"{key}.password_file")
    if upstream.ca is not None:
        yield from _authorities(upstream.ca, f"{key}.ca")
    if upstream.tls == "none" and not is_loopback(upstream.host):
        yield _doubt(f"{key}.tls", "mail travels in clear; starttls or implicit is better")
    elif upstream.tls != "none" and not upstream.verify:
        yield _doubt(
            f"{key}.verify", "anybody in between can read the mail; give the server's `ca` instead"
        )


def _authorities(file: Path, key: str) -> Iterator[Finding]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        yield _fatal(key, f"cannot use {file} ({error}); give a PEM file")


def _secret(file: Path, key: str) -> Iterator[Finding]:
    try:
        read_secret(file, key)
    except ConfigError as error:
        yield from (Finding(problem, fatal=True) for problem in error.problems)
    else:
        yield from _others_may_read(file, key)


def _others_may_read(file: Path, key: str) -> Iterator[Finding]:
    mode = file.stat().st_mode
    who = "everybody" if mode & 0o004 else "its group" if mode & 0o040 else ""
    if who:
        yield _doubt(key, f"{who} may read {file}; run: chmod 600 {file}")


def _unreadable(file: Path) -> str:
    try:
        file.open("rb").close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
