"""A real `postwicket serve` in a folder of its own, as a stranger would run it.

    server = Postwicket(folder, settings=UPSTREAM)
    server.start()
    anna = server.account("ann@example.org")
    ...
    server.stop()

The server is a process group of its own and everything is asked through the installed command,
so what is tested is what is installed.  `end` leaves nothing alive, whatever happened before;
every wait is bounded.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = Path(sys.executable).parent / "postwicket"
SENDMAIL: Final = PROGRAM.with_name("postwicket-sendmail")
HOST: Final = "localhost"
PATIENCE: Final = 30.0  # seconds for anything that should be quick

# Every listener that the tests use; port 0 is any free one, real ports are in data/ports.json.
LISTENERS: Final = """\
[[listener]]
address = "127.0.0.1:0"

[[listener]]
address = "127.0.0.1:0"
tls = "implicit"
"""

Found = TypeVar("Found")


def until(found: Callable[[], Found | None], *, patience: float = PATIENCE) -> Found:
    """Return what is found as soon as it is true; fail when it does not become so."""
    end = time.monotonic() + patience
    while not (value := found()):
        assert time.monotonic() < end, f"it did not happen within {patience:.0f} s"
        time.sleep(0.02)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """An account and an app password of it."""

    user: str
    password: str
    id: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Postwicket:
    """One server: its folder, its configuration, its processes."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: str = "",
        listeners: str = LISTENERS,
        workers: int = 2,
        data: Path | None = None,
    ) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.config = folder / "postwicket.toml"
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.listeners: list[dict[str, Any]] = []
        self.configure(settings, listeners=listeners, workers=workers)

    # --- configuration and commands -----------------------------------------------------------

    def configure(
        self, settings: str = "", *, listeners: str = LISTENERS, workers: int = 2
    ) -> None:
        """Write the configuration file; single settings have to stand before the sections."""
        top = f'hostname = "mail.example.org"\ndata = "{self.data}"\nworkers = {workers}\n'
        self.config.write_text(f"{top}{listeners}\n{settings}")

    def environ(self, **more: str) -> dict[str, str]:
        """Return an environment in which only this server is known."""
        kept = {key: value for key, value in os.environ.items() if "POSTWICKET" not in key}
        return {**kept, **more}

    def run(self, *words: str, stdin: bytes = b"") -> Said:
        """Run a command of `postwicket` about this server."""
        done = subprocess.run(
            [PROGRAM, *words, "--config", self.config],
            cwd="/",  # nothing may depend on where it is started
            env=self.environ(),
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr.decode())

    def ask(self, *words: str) -> Any:
        """Run a command with --json; return its document.  It must succeed."""
        said = self.run(*words, "--json")
        assert said.status == 0, said.err
        return said.document

    def account(self, address: str, *, label: str = "test") -> SignIn:
        """Make an account with an app password."""
        self.ask("account", "add", address)
        return self.app_password(address, label=label)

    def app_password(self, address: str, *, label: str) -> SignIn:
        """Make one more app password of an account."""
        made = self.ask("app-password", "add", address, "--label", label)
        return SignIn(user=address, password=made["password"], id=made["id"])

    def inbox(self) -> list[dict[str, Any]]:
        """Return what the capture route kept, newest first."""
        kept: list[dict[str, Any]] = self.ask("inbox", "list", "--limit", "1000")
        return kept

    def source(self, message: str) -> bytes:
        """Return a captured message as it would have gone out."""
        said = self.run("inbox", "source", message)
        assert said.status == 0, said.err
        return said.out

    def queue(self, *words: str) -> list[dict[str, Any]]:
        """Return the deliveries that wait, or those that the options choose."""
        rows: list[dict[str, Any]] = self.ask("queue", "list", "--limit", "100000", *words)
        return rows

    # --- life -----------------------------------------------------------------------------------

    def launch(
        self, *launcher: str | Path, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the server's process group and return it at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*launcher, PROGRAM, "serve", "--json", "--config", self.config],
                cwd="/",
                env=self.environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        return self.process

    def start(self, *launcher: str | Path, pass_fds: tuple[int, ...] = ()) -> None:
        """Start the server and wait until it serves."""
        process = self.launch(*launcher, pass_fds=pass_fds)
        assert process.stdout is not None
        # Not before all workers are ready does it write its one line.
        readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if readable else b""
        assert line, f"it does not start:\n{self.log_text()[-3000:]}"
        self.listeners = json.loads(line)["listeners"]
        assert json.loads((self.data / "ports.json").read_text()) == self.listeners

    def port(self, tls: str = "starttls", kind: str = "submission") -> int:
        """Return the real port of the first such listener."""
        found = (one for one in self.listeners if (one["tls"], one["kind"]) == (tls, kind))
        port: int = next(found)["port"]
        return port

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return the exit status."""
        assert self.process is not None
        status = self.process.wait(PATIENCE + 15)
        if self.process.stdout:
            self.process.stdout.close()
        return status

    def stop(self) -> None:
        """End it as an operator does; it must go in peace and leave nobody behind."""
        assert self.process is not None
        self.signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, self.log_text()[-3000:]
        assert not members(self.process.pid), "processes survived the server"
        self.process = None

    def kill(self) -> None:
        """Kill every process of the server at once, as a power cut does."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        until(lambda: not members(self.process.pid if self.process else 0))
        self.process = None

    def end(self) -> None:
        """Leave nothing alive."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.wait()
            self.process = None

    # --- what it says ---------------------------------------------------------------------------

    def log_text(self) -> str:
        """Return the whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def events(self, name: str, **facts: object) -> list[dict[str, Any]]:
        """Return the log's lines about an event, journal entries included."""
        lines = [json.loads(line) for line in self.log_text().splitlines() if line[:1] == "{"]
        return [line for line in lines if line["event"] == name and facts.items() <= line.items()]

    def wait_for(self, name: str, *, count: int = 1, **facts: object) -> dict[str, Any]:
        """Return the n-th such line, once it is there."""
        return until(lambda: self.events(name, **facts)[count - 1 :])[0]


def members(group: int) -> list[int]:
    """Return the living processes of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name stands in brackets and may hold anything, so read behind the last one.
            state, _parent, belongs = stat.read_text().rpartition(")")[2].split()[:3]
            if int(belongs) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found
