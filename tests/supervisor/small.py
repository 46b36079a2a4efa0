"""A server whose workers do next to nothing: `python -m tests.supervisor.small CONFIG`.

Each connection is sent one line, `KIND SLOT HOSTNAME PID`, and is then kept open until the
client closes it; a client that says "crash" kills the worker.  What the supervisor asks of
the storage is written to `calls` in the data folder.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from postwicket.config import Settings, find_config, load
from postwicket.supervisor import serve


class SmallPrograms:
    """What workers do here."""

    def run_worker(
        self,
        settings: Settings,
        *,
        slot: int,
        sockets: Mapping[int, socket.socket],
        control: int,
    ) -> int | None:
        """Accept and greet; fail at once when the host name asks for it."""
        if settings.hostname.startswith("broken"):
            return 7
        return work(f"mail {slot} {settings.hostname} {os.getpid()}", sockets, control)

    def run_web(
        self, settings: Settings, *, sockets: Mapping[int, socket.socket], control: int
    ) -> int | None:
        """Accept and greet."""
        return work(f"web - {settings.hostname} {os.getpid()}", sockets, control)

    def open_storage(self, data: Path) -> None:
        """Write it down, and which configuration other programs would find."""
        self._note(data, "open")
        (data / "found").write_text(str(find_config(None)))

    def release(self, data: Path, slot: int) -> None:
        """Write it down."""
        self._note(data, f"release {slot}")

    def _note(self, data: Path, what: str) -> None:
        with (data / "calls").open("a") as file:
            file.write(what + "\n")


def work(  # noqa: C901 - a loop with three kinds of news
    greeting: str, sockets: Mapping[int, socket.socket], control: int
) -> int:
    """Serve until told to stop, or until the supervisor is gone."""
    told: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        told.append(number)

    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGUSR1, note)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ, "control")
    selector.register(read, selectors.EVENT_READ, "signal")
    for each in sockets.values():
        selector.register(each, selectors.EVENT_READ, "listener")
    sessions: set[socket.socket] = set()
    os.write(control, b"R")
    while True:
        for key, _ in selector.select():
            if key.data == "control" and not os.read(control, 10):
                return 0
            if key.data == "signal":
                os.read(read, 10)
            elif isinstance(key.fileobj, socket.socket):
                _serve(key.data, key.fileobj, selector, sessions, greeting)
        if signal.SIGTERM in told and "stubborn" not in greeting:
            return 0
        if signal.SIGUSR1 in told:
            _stop_accepting(sockets, selector)
            if not sessions:
                return 0


def _stop_accepting(
    sockets: Mapping[int, socket.socket], selector: selectors.BaseSelector
) -> None:
    for each in sockets.values():
        if each.fileno() >= 0:
            selector.unregister(each)
            each.close()


def _serve(
    what: str,
    ready: socket.socket,
    selector: selectors.BaseSelector,
    sessions: set[socket.socket],
    greeting: str,
) -> None:
    if what == "listener":
        try:
            session, _ = ready.accept()
        except OSError:
            return
        session.sendall(greeting.encode() + b"\n")
        selector.register(session, selectors.EVENT_READ, "session")
        sessions.add(session)
        return
    said = ready.recv(100)
    if said == b"crash":
        os._exit(9)
    if not said:
        selector.unregister(ready)
        sessions.discard(ready)
        ready.close()
    else:
        ready.sendall(said)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    sys.exit(serve(load(path), config_path=path, programs=SmallPrograms()))
