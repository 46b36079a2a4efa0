"""What systemd hears, and what nobody hears without it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from postwicket.supervisor.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        yield manager


def test_every_message_is_one_datagram(manager: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": manager.getsockname()}
    notifier = Notifier(environ)
    assert environ == {}
    notifier.ready("2 workers\nWATCHDOG=trigger")
    assert manager.recv(1000) == b"READY=1\nSTATUS=2 workers WATCHDOG=trigger"
    notifier.reloading()
    assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notifier.status("fine")
    assert manager.recv(1000) == b"STATUS=fine"
    notifier.stopping("bye")
    assert manager.recv(1000) == b"STOPPING=1\nSTATUS=bye"
    notifier.alive()
    assert manager.recv(1000) == b"WATCHDOG=1"


def test_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0postwicket-test-{os.getpid()}")
        manager.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@postwicket-test-{os.getpid()}"}).alive()
        assert manager.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_nobody_listening_is_no_trouble(address: str) -> None:
    Notifier({"NOTIFY_SOCKET": address} if address else {}).ready("fine")


@pytest.mark.parametrize(
    ("usec", "pid", "every"),
    [
        ("30000000", "", 15.0),
        ("30000000", str(os.getpid()), 15.0),
        ("30000000", "1", None),
        ("0", "", None),
        ("x", "", None),
        ("", "", None),
    ],
)
def test_the_watchdog_wants_a_sign_of_life_twice_as_often(
    usec: str, pid: str, every: float | None
) -> None:
    assert Notifier({"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}).watchdog == every
