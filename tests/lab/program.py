"""Programs of this machine that run in the foreground, each with a log of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.e2e.server import PATIENCE, until

# Below the ports that Linux gives to clients, so that no client of a test takes a server's port.
_PORTS: Final = range(20_000, 30_000)


class Program:
    """A program that is started, waited for, and ended with everything that it has started."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool]) -> None:
        """Start it, and wait until it is ready; fail with its log when it ends before."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process

        def is_ready() -> bool:
            assert process.poll() is None, f"{self._command[0]} ended:\n{self.log()[-3000:]}"
            return ready()

        until(is_ready)

    def stop(self) -> None:
        """End it with all its processes."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._process is not None, f"{self._command[0]} does not run"
        return self._process.pid

    def log(self) -> str:
        """Return what it wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def shared_port() -> int:
    """Return a port on which nobody listens, whatever the address of this machine."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("0.0.0.0", port))
            return port
    raise AssertionError("every port between 20000 and 30000 is taken")


def greets(address: str, port: int) -> bool:
    """Say whether somebody says 220 there."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1.0) as client:
        client.settimeout(PATIENCE)
        return client.recv(512).startswith(b"220")
    return False
