"""A small SMTP server that records what it took, to the octet, and can be told to stand still.

It speaks in the clear on 127.0.0.1 and accepts everything.  It lives in the test's process, so it
survives the servers that the tests kill.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field
from typing import BinaryIO, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One message that was answered with 250, or would have been: `content` without dots."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(slots=True)
class Sink:
    """Listens until it is closed.  While `open` is not set, nobody gets his last reply."""

    open: threading.Event = field(default_factory=threading.Event)
    taken: list[Taken] = field(default_factory=list)
    waiting: int = 0
    port: int = 0
    _listening: socket.socket = field(default_factory=socket.socket)
    _clients: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self.open.set()
        self._listening.close()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        for each in (self._listening, *self._clients):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def recipients(self) -> list[str]:
        """Return every recipient of every message taken, in order."""
        return [one for taken in list(self.taken) for one in taken.recipients]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rb") as lines:
            client.sendall(b"220 sink ESMTP\r\n")
            self._talk(client, lines)
        self._clients.discard(client)

    def _talk(self, client: socket.socket, lines: BinaryIO) -> None:
        sender, recipients = "", list[str]()
        for line in lines:
            command = line.decode().strip()
            verb, reply = command[:4].upper(), "250 ok"
            if verb == "EHLO":
                reply = "250-sink\r\n250-PIPELINING\r\n250 8BITMIME"
            elif verb == "MAIL":
                sender, recipients = _address(command), []
            elif verb == "RCPT":
                recipients.append(_address(command))
            elif verb == "DATA":
                client.sendall(b"354 go\r\n")
                content = _content(lines)
                if content is None:
                    return
                self._take(Taken(sender=sender, recipients=tuple(recipients), content=content))
            elif verb == "QUIT":
                client.sendall(b"221 bye\r\n")
                return
            client.sendall(reply.encode() + b"\r\n")

    def _take(self, taken: Taken) -> None:
        with self._lock:
            self.waiting += 1
        self.open.wait()
        with self._lock:
            self.waiting -= 1
            self.taken.append(taken)


def _address(command: str) -> str:
    found = re.search(r"<(.*?)>", command)
    assert found is not None, command
    return found[1]


def _content(lines: BinaryIO) -> bytes | None:
    """Return the message; None when the client went away in the middle of it."""
    found: list[bytes] = []
    for line in lines:
        if line == b".\r\n":
            return b"".join(found)
        found.append(line.removeprefix(b"."))
    return None
