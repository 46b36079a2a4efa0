"""Talk to systemd: sd_notify(3), without a library.

Where there is no `NOTIFY_SOCKET` every call does nothing, so nobody has to ask.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

LONGEST_STATUS: Final = 500


class Notifier:
    """Says to the service manager how the server is.

    Takes its variables out of `environ`: the workers are not to speak for the server.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        # "@" stands for the zero octet of Linux's abstract names.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = _watchdog(environ)

    def ready(self, status: str) -> None:
        """Say that the server works, at the start or after a reload."""
        self._send("READY=1", status)

    def reloading(self) -> None:
        """Say that a reload has begun; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """Say that the server is on its way out."""
        self._send("STOPPING=1", status)

    def status(self, status: str) -> None:
        """Say something for `systemctl status`."""
        self._send("", status)

    def alive(self) -> None:
        """Say that the main loop turns; to be called every `watchdog` seconds."""
        self._send("WATCHDOG=1")

    def _send(self, message: str, status: str = "") -> None:
        if not self._address:
            return
        if status:
            message = f"{message}\nSTATUS={' '.join(status.split())[:LONGEST_STATUS]}"
        with (
            contextlib.suppress(OSError),  # a manager that went away must not stop the mail
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        ):
            manager.settimeout(0)
            manager.sendto(message.strip().encode(), self._address)


def _watchdog(environ: MutableMapping[str, str]) -> float | None:
    """Return the seconds between two signs of life (half of what is allowed), or None."""
    allowed, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    if not allowed.isdigit() or int(allowed) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(allowed) / 2_000_000
