"""What every measured server has in common: how it is started, found, measured and ended."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
USER: Final = "user@example.org"
# Below the ports that Linux gives to clients, so that the load cannot take a server's port.
_PORTS: Final = range(20000, 30000)

Door = Literal["none", "starttls", "implicit"]


class PeerFailed(Exception):
    """A server did not start or does not behave; says which, and where its log is."""


class Mode(Enum):
    """What becomes of an accepted message."""

    KEEP = "keep"  # it is stored and stays: no attempt of delivery
    RELAY = "relay"  # it is sent on to smtp-sink
    DIRECT = "direct"  # it is signed, and sent on over TLS to the recipient's own exchanger


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: its ports, who may sign in, and how to look after it.

    `forget` empties the queue between two rounds, `kept` counts the messages on disk; a server
    for which they make no sense has None.  `start_seconds` is from the start to the first 220.
    """

    name: str
    launcher: subprocess.Popen[bytes]
    ports: dict[Door, int]
    password: str = ""
    start_seconds: float = 0.0
    forget: Callable[[], None] | None = None
    kept: Callable[[], int] | None = None
    before_stop: Callable[[], None] | None = None

    @property
    def pid(self) -> int:
        """The process below which the whole server lives."""
        return self.launcher.pid

    def stop(self) -> None:
        """End the server and everything that it started."""
        if self.before_stop:
            self.before_stop()
        stop(self.launcher)


class Peer(Protocol):
    """A server that can be measured.  `stores` is false for one that throws everything away."""

    name: str
    stores: bool

    def start(self, mode: Mode, folder: Path, far_end: FarEnd | None) -> Server:
        """Start in an empty folder; `far_end` is where mail goes, None for `Mode.KEEP`."""
        ...


class FarEnd(ABC):
    """A receiver on `port` of 127.0.0.1 that counts: how many messages, and when the last came.

    `resolver` is a name server, as settings write it, that knows the way to the recipients.
    """

    def __init__(
        self, port: int, *, recipient: str = "rcpt@example.net", resolver: str = ""
    ) -> None:
        self.port = port
        self.recipient = recipient
        self.resolver = resolver
        self.messages = 0
        self.last = 0.0

    @property
    def pid(self) -> int | None:
        """The process below which it lives, where it is worth knowing what it costs."""
        return None

    def wait_for(self, messages: int, *, limit: float) -> bool:
        """Wait until so many have arrived; False when nothing came for `limit` seconds."""
        seen, since = self.messages, time.perf_counter()
        while self.messages < messages:
            if self.messages != seen:
                seen, since = self.messages, time.perf_counter()
            if time.perf_counter() - since > limit:
                return False
            time.sleep(0.01)
        return True

    @abstractmethod
    def stop(self) -> None:
        """End it."""


def launch(
    command: list[str],
    *,
    log: Path,
    grace: float = 3.0,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program below a subreaper; its output goes to the log, or where `stdout` says."""
    launcher = [sys.executable, "-m", "bench.launcher", str(grace), *command]
    with log.open("ab") as out:
        return subprocess.Popen(
            launcher,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out if stdout is None else stdout,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for the benchmark; it ends its servers itself
        )


def stop(launcher: subprocess.Popen[bytes]) -> None:
    """End a launcher; it takes its server with it."""
    launcher.terminate()
    launcher.wait()
    if launcher.stdout:
        launcher.stdout.close()


def await_greeting(
    port: int, launcher: subprocess.Popen[bytes], log: Path, *, limit: float = 30.0
) -> float:
    """Return when the server said 220, as `time.perf_counter` has it."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end and launcher.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1.0) as peer:
            peer.settimeout(limit)
            if peer.recv(512).startswith(b"220"):
                peer.sendall(b"QUIT\r\n")
                return time.perf_counter()
        time.sleep(0.01)
    stop(launcher)
    said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    raise PeerFailed(f"nothing says 220 on port {port}; the log ends so:\n{said}")


def find_program(name: str, package: str) -> str:
    """Return where a program of the system is, or say which package has it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise PeerFailed(f"{name} is missing; install the Debian package {package}")
    return found


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            found.append(port)
        if len(found) == count:
            return found
    raise PeerFailed(f"fewer than {count} ports are free between 20000 and 30000")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed P-256 certificate for all servers; return certificate and key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(tz=dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.touch(mode=0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key
