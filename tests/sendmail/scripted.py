"""An SMTP server that says what a test tells it to, and remembers what it heard."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

EXTENSIONS = ("SIZE 35882577", "8BITMIME", "SMTPUTF8", "DSN", "AUTH PLAIN LOGIN")
USUAL = {
    "greeting": "220 mail.example.org ESMTP",
    "STARTTLS": "220 2.0.0 Go ahead",
    "AUTH": "235 2.7.0 Welcome",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 Go ahead",
    ".": "250 2.0.0 Ok: queued as 0ABC",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


@dataclass
class Scripted:
    """`replies` maps the beginning of a command to the reply; the longest beginning wins.

    A reply of "" hangs up.  `commands` and `messages` are what came in.
    """

    replies: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = EXTENSIONS
    context: ssl.SSLContext | None = None
    implicit: bool = False
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    port: int = 0
    sessions: int = 0
    errors: list[str] = field(default_factory=list)

    def answer(self, command: str) -> str:
        """Return the scripted reply."""
        script = {**USUAL, **self.replies}
        fitting = [start for start in script if command.upper().startswith(start.upper())]
        return script[max(fitting, key=len)] if fitting else "500 5.5.1 What?"

    def converse(self, peer: socket.socket) -> None:
        """Serve one connection until QUIT, an empty reply, or the end."""
        self.sessions += 1
        if self.implicit and self.context:
            peer = self.context.wrap_socket(peer, server_side=True)
        stream = peer.makefile("rb")
        self.say(peer, self.answer("greeting"))
        while line := stream.readline():
            command = line.decode().rstrip("\r\n")
            self.commands.append(command)
            verb = command.upper()
            reply = self.answer(command)
            if verb.startswith("EHLO"):
                lines = ["mail.example.org", *self.extensions]
                if self.context and not isinstance(peer, ssl.SSLSocket):
                    lines.append("STARTTLS")
                marked = [f"250-{one}" for one in lines[:-1]]
                reply = "\r\n".join([*marked, f"250 {lines[-1]}"])
            if not reply:
                break
            self.say(peer, reply)
            if verb == "STARTTLS" and self.context and reply.startswith("220"):
                peer = self.context.wrap_socket(peer, server_side=True)
                stream = peer.makefile("rb")
            elif verb == "DATA" and reply.startswith("354"):
                self.messages.append(self.content(iter(stream.readline, b"")))
                reply = self.answer(".")
                if not reply:
                    break
                self.say(peer, reply)
            elif verb == "QUIT":
                break
        stream.close()
        peer.close()

    @staticmethod
    def content(lines: Iterator[bytes]) -> bytes:
        """Read up to the lone dot, dots taken back."""
        content = b""
        for line in lines:
            if line == b".\r\n":
                break
            content += line[1:] if line.startswith(b".") else line
        return content

    @staticmethod
    def say(peer: socket.socket, reply: str) -> None:
        """Send one reply."""
        peer.sendall(reply.encode() + b"\r\n")


@contextmanager
def scripted(server: Scripted) -> Iterator[Scripted]:
    """Run the server on a free port of 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", server.port))
    server.port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.settimeout(5)
            try:
                server.converse(peer)
            except (OSError, ValueError) as error:
                server.errors.append(str(error))
            finally:
                peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        # Closing alone does not wake an accept() in another thread.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
