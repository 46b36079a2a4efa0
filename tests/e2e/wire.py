"""What went over the wire: a tap between client and server, and an exact comparison.

The tap ends TLS on both sides (with the server's own certificate, so that the client notices
nothing) and keeps every octet that the client sent; what the server kept of a message is then
compared with that, and not with what a client was asked to send.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Final

from .server import HOST, PATIENCE, Postwicket

_FIELD: Final = re.compile(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*")
_ADDED: Final = ("date", "message-id")  # RFC 6409, section 8: added where they are missing
_TAKEN: Final = ("bcc", "resent-bcc")


class Tap:
    """Relays connections to a listener of the server until it is closed."""

    def __init__(self, server: Postwicket, tls: str) -> None:
        self._server = server
        self._tls = tls
        self._inside = ssl.create_default_context(cafile=server.data / "ca.pem")
        self._outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._outside.load_cert_chain(server.data / "server.pem", server.data / "server.key")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._streams: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> list[bytes]:
        """Wait until all clients have gone; return the messages that they sent."""
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listening.close()
        return [content for stream in self._streams for content in _contents(bytes(stream))]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._relay, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        port = self._server.port(self._tls)
        client.settimeout(PATIENCE)
        with client, socket.create_connection((HOST, port), PATIENCE) as server:
            if self._tls == "starttls":
                _until_starttls(client, server)
            with (
                self._outside.wrap_socket(client, server_side=True) as outside,
                self._inside.wrap_socket(server, server_hostname=HOST) as inside,
            ):
                self._streams.append(bytearray())
                with contextlib.suppress(OSError):  # many a client hangs up after its QUIT
                    _copy(outside, inside, self._streams[-1])


def _until_starttls(client: socket.socket, server: socket.socket) -> None:
    """Relay the talk in the clear, reply by reply, up to the 220 to STARTTLS."""
    with client.makefile("rb") as asked, server.makefile("rb") as answered:
        client.sendall(_reply(answered))
        for command in asked:
            server.sendall(command)
            client.sendall(_reply(answered))
            if command.strip().upper() == b"STARTTLS":
                return


def _reply(lines: Iterator[bytes]) -> bytes:
    reply = b""
    for line in lines:
        reply += line
        if line[3:4] != b"-":
            break
    return reply


def _copy(client: ssl.SSLSocket, server: ssl.SSLSocket, sent: bytearray) -> None:
    other = {client: server, server: client}
    while True:
        ready = [one for one in other if one.pending()]
        ready = ready or select.select(list(other), [], [], PATIENCE)[0]
        if not ready:
            return
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            if one is client:
                sent += data
            other[one].sendall(data)


def _contents(stream: bytes) -> Iterator[bytes]:
    """Yield the messages of a client's side of a session, dots taken off."""
    while stream:
        command, _, stream = stream.partition(b"\r\n")
        words = command.upper().split()
        if words == [b"DATA"]:
            content, _, stream = stream.partition(b"\r\n.\r\n")
            yield re.sub(rb"(?m)^\.", b"", content) + b"\r\n"
        elif words[:1] == [b"BDAT"]:
            size = int(words[1])
            yield stream[:size]
            stream = stream[size:]


# --- comparing --------------------------------------------------------------------------------


def split(message: bytes) -> tuple[list[bytes], bytes]:
    """Return the header's fields, untouched, and the body with the empty line before it."""
    header, _, body = message.partition(b"\r\n\r\n")
    fields = _FIELD.findall(header + b"\r\n")
    assert b"".join(fields) == header + b"\r\n", "this header is not made of fields"
    return fields, b"\r\n" + body


def name(field: bytes) -> str:
    """Return a field's name in lower case."""
    return field.partition(b":")[0].decode().strip().lower()


def assert_untouched(sent: bytes, kept: bytes) -> None:
    """Demand that only what RFC 6409 allows was added, and only Bcc taken out."""
    sent_fields, sent_body = split(sent)
    (received, *kept_fields), kept_body = split(kept)
    names = [name(field) for field in sent_fields]
    expected = [field for field in sent_fields if name(field) not in _TAKEN]
    assert name(received) == "received"
    assert kept_fields[: len(expected)] == expected
    added = [name(field) for field in kept_fields[len(expected) :]]
    assert added == [each for each in _ADDED if each not in names]
    assert kept_body == sent_body
