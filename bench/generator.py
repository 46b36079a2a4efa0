"""A load generator for submission servers: many sessions, little CPU, exact replies.

It shares the cores with the server that it measures, so a session is a process with a blocking
socket and nothing else from outside the standard library.  `run` forks the sessions; call it from
a process without threads, or start `python -m bench.generator` with a `Load` as JSON on
standard input and read a `Result` as JSON from standard output.

A transaction's latency runs from the connect (first message of a connection) or from MAIL (the
later ones) to the reply that follows the content.  Any reply of another class than the expected
one ends the connection and counts what was left on it as errors.
"""

from __future__ import annotations

import array
import base64
import contextlib
import json
import os
import resource
import socket
import ssl
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

LARGE: Final = 1 << 16  # from here on the content is sent without copying it together first
_LINE: Final = b"x" * 62 + b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send: `count` messages of `size` octets, `per_connection` (1 to 255) at a time.

    `host` is an IPv4 address; `timeout` is the longest silence in seconds.  Each message is for
    all `recipients`, or `in_turn` for the next one of them.
    """

    port: int
    host: str = "127.0.0.1"
    tls: Literal["none", "starttls", "implicit"] = "none"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = "user@example.org"
    recipients: tuple[str, ...] = ("rcpt@example.net",)
    in_turn: bool = False
    sessions: int = 20
    per_connection: int = 1
    size: int = 4096
    count: int = 2000
    timeout: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it: `seconds` from the start to the last 250, latencies in milliseconds."""

    accepted: int
    seconds: float
    p50: float
    p99: float
    errors: dict[str, int]
    cpu_seconds: float


class UnexpectedReply(Exception):
    """The server said something else than was hoped for, or hung up."""


class Connection:
    """One SMTP connection with a blocking socket."""

    def __init__(self, load: Load, context: ssl.SSLContext, source: str | None = None) -> None:
        self._rest = b""
        self.socket = socket.socket()
        try:
            self._open(load, context, source)
        except BaseException:
            self.socket.close()
            raise

    def _open(self, load: Load, context: ssl.SSLContext, source: str | None) -> None:
        # The kernel's time limits: Python's own would cost a poll() with every call.
        limit = struct.pack("@ll", int(load.timeout), 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((load.host, load.port))
        if load.tls == "implicit":
            self.socket = context.wrap_socket(self.socket)
        self.expect(b"2")
        self.say(b"EHLO load.example.org\r\n", b"2")
        if load.tls == "starttls":
            self.say(b"STARTTLS\r\n", b"2")
            self.socket = context.wrap_socket(self.socket)
            self.say(b"EHLO load.example.org\r\n", b"2")
        if load.user:
            secret = base64.b64encode(f"\0{load.user}\0{load.password}".encode())
            self.say(b"AUTH PLAIN " + secret + b"\r\n", b"2")

    def say(self, line: bytes, wanted: bytes) -> None:
        """Send, and demand a reply whose code begins with `wanted`."""
        self.socket.sendall(line)
        self.expect(wanted)

    def expect(self, wanted: bytes) -> None:
        """Read one whole reply; raise `UnexpectedReply` when it is of another class."""
        data = self._rest
        start = 0
        while True:
            end = data.find(b"\n", start)
            if end < 0:
                more = self.socket.recv(4096)
                if not more:
                    raise UnexpectedReply("the connection was closed")
                data += more
            elif data[start + 3 : start + 4] == b"-":
                start = end + 1
            else:
                break
        self._rest = data[end + 1 :]
        if not data.startswith(wanted, start):
            raise UnexpectedReply(data[start:end].decode("latin-1").strip())


class Session:
    """Takes work from a pipe until its end; an octet is a connection with so many messages."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._number = number
        self._context = client_context()
        self._mail = f"MAIL FROM:<{load.sender}>\r\n".encode()
        self._recipients = [f"RCPT TO:<{address}>\r\n".encode() for address in load.recipients]
        self._head, self._tail = content(load, f"{os.getpid()}.{number}")
        self._sent = 0
        self.latencies = array.array("d")
        self.errors: Counter[str] = Counter()
        self.last = 0.0

    def work(self, tokens: int) -> None:
        """Serve the pipe `tokens` to its end."""
        while token := os.read(tokens, 1):
            before = len(self.latencies)
            try:
                self._converse(token[0])
            except (OSError, UnexpectedReply) as error:
                missing = token[0] - (len(self.latencies) - before)
                self.errors[f"{type(error).__name__}: {error}"[:160]] += max(missing, 1)

    def _converse(self, messages: int) -> None:
        began = time.perf_counter()
        connection = Connection(self._load, self._context)
        with contextlib.closing(connection.socket):
            for _ in range(messages):
                self._send(connection)
                self.last = time.perf_counter()
                self.latencies.append(self.last - began)
                began = self.last
            connection.say(b"QUIT\r\n", b"2")

    def _send(self, connection: Connection) -> None:
        connection.say(self._mail, b"2")
        for recipient in self._whom():
            connection.say(recipient, b"2")
        connection.say(b"DATA\r\n", b"3")
        self._sent += 1
        head = self._head + b"%d" % self._sent
        if len(self._tail) < LARGE:
            connection.say(head + self._tail, b"2")
        else:
            connection.socket.sendall(head)
            connection.say(self._tail, b"2")

    def _whom(self) -> list[bytes]:
        """Return who gets the next message."""
        if not self._load.in_turn:
            return self._recipients
        # Each session has a stretch of its own to begin with, so that all come up equally often.
        ahead = self._number * len(self._recipients) // self._load.sessions
        return [self._recipients[(ahead + self._sent) % len(self._recipients)]]


def client_context() -> ssl.SSLContext:
    """Return a TLS client that trusts anybody: it measures, it does not send real mail."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def content(load: Load, unique: str) -> tuple[bytes, bytes]:
    r"""Return what stands before and behind a message's number; nothing in it needs a second dot.

    >>> head, tail = content(Load(port=25, size=1000), "7")
    >>> len(head + b"1" + tail), tail[-5:]
    (1003, b'\r\n.\r\n')
    """
    head = (
        f"From: <{load.sender}>\r\nTo: <{load.recipients[0]}>\r\nSubject: load\r\n"
        "Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=us-ascii\r\nMessage-ID: <{unique}."
    ).encode()
    middle = b"@load.example.org>\r\n\r\n"
    room = max(load.size - len(head) - 1 - len(middle), 2)
    body = (_LINE * (room // len(_LINE) + 1))[: room - 2] + b"\r\n"
    return head, middle + body + b".\r\n"


def run(load: Load) -> Result:
    """Send the load and return what came of it."""
    tokens, work = os.pipe()
    results = [_fork(load, number, tokens, work) for number in range(load.sessions)]
    os.close(tokens)
    time.sleep(0.2)  # every session has made its content and waits at the pipe
    began = time.perf_counter()
    with contextlib.suppress(BrokenPipeError):  # all sessions died; they are counted below
        for chunk in _work(load):
            os.write(work, chunk)
    os.close(work)
    latencies = array.array("d")
    errors: Counter[str] = Counter()
    last = began
    for pid, end in results:
        with os.fdopen(end, "rb") as answer:
            told = json.loads(answer.readline() or '{"errors": {"a session died": 1}, "last": 0}')
            latencies.frombytes(answer.read())
        os.waitpid(pid, 0)
        errors.update(told["errors"])
        last = max(last, told["last"])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    ordered = sorted(latencies)
    return Result(
        accepted=len(ordered),
        seconds=last - began,
        p50=percentile(ordered, 0.5) * 1000,
        p99=percentile(ordered, 0.99) * 1000,
        errors=dict(errors),
        cpu_seconds=usage.ru_utime + usage.ru_stime,
    )


def percentile(ordered: list[float], part: float) -> float:
    """Return the value below which `part` of the ordered values lie, 0.0 without any.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    3.0
    """
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


def _work(load: Load) -> Iterator[bytes]:
    """Yield the octets for the pipe in pieces that it takes whole."""
    full, rest = divmod(load.count, load.per_connection)
    octets = bytes([load.per_connection]) * full + (bytes([rest]) if rest else b"")
    for start in range(0, len(octets), 4096):
        yield octets[start : start + 4096]


def _fork(load: Load, number: int, tokens: int, work: int) -> tuple[int, int]:
    """Start one session; return its process and the pipe on which it tells what came of it."""
    end, answer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(answer)
        return pid, end
    try:
        os.close(work)
        session = Session(load, number)
        session.work(tokens)
        with os.fdopen(answer, "wb") as out:
            told = {"errors": session.errors, "last": session.last}
            out.write(json.dumps(told).encode() + b"\n" + session.latencies.tobytes())
    finally:
        os._exit(0)


def main() -> None:
    """Read a load from standard input, write the result to standard output."""
    asked = json.load(sys.stdin)
    asked["recipients"] = tuple(asked["recipients"])
    json.dump(asdict(run(Load(**asked))), sys.stdout)


if __name__ == "__main__":
    main()
