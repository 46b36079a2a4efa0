"""smtp-sink of Postfix: takes mail and throws it away.

As a peer it is the limit, what a server could reach if it stored nothing and had no TLS.  Behind
the other servers it is the far end, and `Counter` counts what arrives there.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

from .server import (
    HOST,
    FarEnd,
    Mode,
    Server,
    await_greeting,
    find_program,
    free_ports,
    launch,
    stop,
)

_MESSAGES: Final = re.compile(rb"mesg=(\d+)")


class Sink:
    """smtp-sink as a peer."""

    name = "smtp-sink"
    stores = False

    def start(self, mode: Mode, folder: Path, far_end: FarEnd | None) -> Server:  # noqa: ARG002
        """Start it; it keeps nothing and relays nothing."""
        (port,) = free_ports(1)
        log = folder / "sink.log"
        launcher = launch(_command(port), log=log)
        await_greeting(port, launcher, log)
        return Server(name=self.name, launcher=launcher, ports={"none": port})


class Counter(FarEnd):
    """smtp-sink behind a server."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        super().__init__(port)
        log = folder / "counter.log"
        self._launcher = launch(_command(self.port, "-c"), log=log, stdout=subprocess.PIPE)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        await_greeting(self.port, self._launcher, log)

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self._thread.join()
        stop(self._launcher)

    def _read(self) -> None:
        """Read the running counters, 50 times a second at most, so that it costs little."""
        out = self._launcher.stdout
        if out is None:
            return
        os.set_blocking(out.fileno(), False)
        while not self._over.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                found = _MESSAGES.findall(os.read(out.fileno(), 1 << 20))
                if found and int(found[-1]) != self.messages:
                    self.messages, self.last = int(found[-1]), time.perf_counter()


def _command(port: int, *options: str) -> list[str]:
    program = find_program("smtp-sink", "postfix")
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    # Its own limit of 256 sessions would make a server with many destinations wait.
    return [program, *user, "-m", "10000", *options, f"{HOST}:{port}", "1024"]
