"""Postwicket as a peer: a data folder of its own, two workers, everything on.

Each message passes authentication (by app password, or by the plain listener's account),
sender policy, the day's quota (limits so high that they are counted but never reached), the
journal and the Received field.

`Mode.KEEP` is what HOLD is to Postfix, a durable queue without attempts of delivery: the route
leads to an upstream that lets clients connect and never greets them, and the window is one
delivery per worker.  So each worker waits on one connection and stores everything else.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from postwicket.storage.database import FILE
from postwicket.storage.opening import open_store

from .server import (
    HOST,
    ROOT,
    USER,
    Door,
    FarEnd,
    Mode,
    PeerFailed,
    Server,
    await_greeting,
    free_ports,
    launch,
    make_certificate,
)

PROGRAM: Final = Path(sys.executable).parent / "postwicket"
WORKERS: Final = 2

_SETTINGS: Final = """\
hostname = "mail.example.org"
data = "{data}"
workers = {workers}

[[listener]]
address = "{host}:{none}"
kind = "submission"
tls = "none"
account = "{user}"

[[listener]]
address = "{host}:{starttls}"
kind = "submission"
tls = "starttls"

[[listener]]
address = "{host}:{implicit}"
kind = "submission"
tls = "implicit"

[tls]
certificate = "{certificate}"
key = "{key}"

[limits]
messages_per_day = 1_000_000_000
recipients_per_day = 1_000_000_000

[session]
per_address = 20_000
connections = 20_000

[log]
format = "json"
"""

_UPSTREAM: Final = """
[[route]]
via = "upstream:bench"

[[upstream]]
name = "bench"
host = "{host}"
port = {port}
tls = "none"
auth = "none"
"""

_DIRECT: Final = """
[[route]]
via = "direct"

[delivery]
resolver = "{resolver}"
dnssec = true
port = {port}
ip = "ipv4"
allow_networks = ["127.0.0.0/8"]
"""

_KEEP: Final = """
[queue]
retry = ["1h"]
window = 1

[delivery]
attempts_at_once = 1
command_timeout = "1h"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A configured Postwicket that does not run yet: settings, data folder, account."""

    folder: Path
    mode: Mode
    ports: dict[Door, int]
    password: str = field(repr=False)
    silence: socket.socket | None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def serve(self) -> Server:
        """Start `postwicket serve`, wait for its greeting, and note how long that took."""
        log = self.folder / "log"
        command = [str(PROGRAM), "serve", "--config", str(self.folder / "postwicket.toml")]
        began = time.perf_counter()
        launcher = launch(command, log=log)
        ready = await_greeting(self.ports["none"], launcher, log)
        return Server(
            name=Postwicket.name,
            launcher=launcher,
            ports=self.ports,
            password=self.password,
            start_seconds=ready - began,
            kept=self.kept if self.mode is Mode.KEEP else None,
            before_stop=self.silence.close if self.silence else None,
        )

    def kept(self) -> int:
        """Count the messages in the database."""
        database = f"file:{self.data / FILE}?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True)) as reader:
            return int(reader.execute("SELECT count(*) FROM message").fetchone()[0])


class Postwicket:
    """Postwicket as a peer."""

    name = "Postwicket"
    stores = True

    def start(self, mode: Mode, folder: Path, far_end: FarEnd | None) -> Server:
        """Set it up in the folder and serve."""
        return install(mode, folder, far_end).serve()


def install(
    mode: Mode, folder: Path, far_end: FarEnd | None = None, *, more: str = ""
) -> Installation:
    """Write the settings, make the account and its app password with the command line."""
    none, starttls, implicit = free_ports(3)
    certificate, key = make_certificate(folder)
    silence = _listen_silently() if mode is Mode.KEEP else None
    settings = _SETTINGS.format(
        data=folder / "data",
        workers=WORKERS,
        host=HOST,
        none=none,
        starttls=starttls,
        implicit=implicit,
        user=USER,
        certificate=certificate,
        key=key,
    )
    if mode is Mode.DIRECT and far_end:
        settings += _DIRECT.format(resolver=far_end.resolver, port=far_end.port)
    else:
        port = silence.getsockname()[1] if silence else far_end.port if far_end else 0
        settings += _UPSTREAM.format(host=HOST, port=port)
    config = folder / "postwicket.toml"
    config.write_text(settings + (_KEEP if mode is Mode.KEEP else "") + more)
    command("account", "add", USER, config=config)
    made = command("app-password", "add", USER, "--label", "bench", "--json", config=config)
    if mode is Mode.DIRECT:
        _sign(folder / "data", config)
    return Installation(
        folder=folder,
        mode=mode,
        ports={"none": none, "starttls": starttls, "implicit": implicit},
        password=json.loads(made)["password"],
        silence=silence,
    )


def _sign(data: Path, config: Path) -> None:
    """Let every message be signed, as if DNS had proved whose domain it is."""
    domain = USER.partition("@")[2]
    command("domain", "add", domain, config=config)
    with contextlib.closing(open_store(data)) as store:
        store.verify_domain(domain, now=time.time())
        for key in store.dkim_keys():
            store.activate_dkim_key(key.id, active_from=time.time())


def _listen_silently() -> socket.socket:
    """Return a socket that the kernel lets clients connect to, and that nobody ever accepts."""
    silence = socket.create_server((HOST, free_ports(1)[0]), backlog=64)
    os.set_inheritable(silence.fileno(), False)  # noqa: FBT003  (the call has no keyword)
    return silence


def command(*words: str, config: Path) -> str:
    """Run a command of the server that has this configuration, and return what it prints."""
    if not PROGRAM.exists():
        raise PeerFailed(f"{PROGRAM} is missing; run `make test` or `make run` once")
    called = [str(PROGRAM), *words, "--config", str(config)]
    done = subprocess.run(
        called, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout)[-1500:].strip()
        raise PeerFailed(f"`postwicket {' '.join(words)}` ended with {done.returncode}: {said}")
    return done.stdout
