"""A server of small workers in a process group of its own, for tests to start and watch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
Found = TypeVar("Found")
PATIENCE = 20.0


def until(found: Callable[[], Found]) -> Found:
    """Return what is found as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


class Server:
    """A server in its own process group, with what it logged."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "postwicket.toml"
        self.log = folder / "log"
        self._environ = environ
        self.configure()

    def configure(self, hostname: str = "mail.example.org", more: str = "", **top: Any) -> None:
        """Write the configuration; `more` is appended to it."""
        listeners = top.pop("listeners", ["127.0.0.1:0"])
        settings = {"hostname": hostname, "data": str(self.data), "workers": 2} | top
        text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        for address in listeners:
            text += f'[[listener]]\naddress = "{address}"\ntls = "none"\n'
        self.config.write_text(text + more)

    def start(self, *launcher: str, pass_fds: tuple[int, ...] = ()) -> None:
        """Start the server; its log is appended to."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *launcher,
                    sys.executable,
                    "-m",
                    "tests.supervisor.small",
                    str(self.config),
                ],
                pass_fds=pass_fds,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": "src", **self._environ},
                stderr=log,
                start_new_session=True,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines about an event."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [entry for line in lines if (entry := json.loads(line))["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """Return the log line of the n-th such event, once it is there."""
        return until(lambda: self.events(name)[count - 1 :])[0]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(number)

    def ports(self) -> list[dict[str, Any]]:
        """Return what the server wrote down about its listeners."""
        found: list[dict[str, Any]] = json.loads((self.data / "ports.json").read_text())
        return found

    def connect(self, number: int = 0) -> tuple[socket.socket, list[str]]:
        """Return a connection and the words of its greeting."""
        client = socket.create_connection(("127.0.0.1", self.ports()[number]["port"]), PATIENCE)
        return client, client.makefile().readline().split()

    def calls(self) -> list[str]:
        """Return what the supervisor asked of the storage."""
        return (self.data / "calls").read_text().splitlines()

    def end(self) -> None:
        """Kill all of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
