"""The sockets on which the server listens.  Opening them is all that may need root.

Each worker gets a socket of its own for each listener (`SO_REUSEPORT`: the kernel spreads the
connections), and the supervisor keeps them all open, so that connections which wait for a
worker that crashed are still there for the next.  A socket that systemd opened is shared.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from postwicket.config import Listener

from .errors import CannotServe

BACKLOG: Final = 4096  # the kernel takes the smaller of this and net.core.somaxconn
FIRST_GIVEN: Final = 3  # sd_listen_fds(3), SD_LISTEN_FDS_START


@dataclass(frozen=True, slots=True)
class OpenListener:
    """A listener and its sockets: one for each worker, or a single one for all."""

    listener: Listener
    sockets: tuple[socket.socket, ...]

    @property
    def port(self) -> int:
        """The real port, where the configuration said 0."""
        port: int = self.sockets[0].getsockname()[1]
        return port

    def socket_of(self, index: int) -> socket.socket:
        """Return the socket of the worker with this index."""
        return self.sockets[index % len(self.sockets)]

    def facts(self) -> dict[str, object]:
        """Return what logs and `ports.json` say of it."""
        listener = self.listener
        return {
            "name": listener.name,
            "kind": listener.kind,
            "tls": listener.tls,
            "address": listener.host,
            "port": self.port,
        }


def open_listeners(
    listeners: Sequence[Listener],
    *,
    workers: int,
    kept: Sequence[OpenListener] = (),
    given: Sequence[socket.socket] = (),
) -> tuple[OpenListener, ...]:
    """Open what is not among the `kept` or `given` ones; raise `CannotServe`.

    When one of them cannot be opened, none is.
    """
    spare, offered = list(kept), list(given)
    found: list[OpenListener] = []
    fresh: list[socket.socket] = []
    try:
        for listener in listeners:
            sockets = _take_kept(spare, listener) or _take_given(offered, listener)
            if not sockets:
                count = 1 if listener.kind == "http" else workers
                ours = any(one.listener.address == listener.address for one in kept)
                for _ in range(count):
                    known = fresh[-1].getsockname()[1] if sockets else listener.port
                    fresh.append(_open(listener, known, probe=not sockets and not ours))
                    sockets = (*sockets, fresh[-1])
            found.append(OpenListener(listener, sockets))
    except BaseException:
        for each in fresh:
            each.close()
        raise
    return tuple(found)


def close_unused(old: Sequence[OpenListener], new: Sequence[OpenListener]) -> None:
    """Close the sockets that only the `old` listeners have."""
    used = {each for one in new for each in one.sockets}
    for each in {each for one in old for each in one.sockets} - used:
        each.close()


def _take_kept(spare: list[OpenListener], listener: Listener) -> tuple[socket.socket, ...]:
    for one in spare:
        if (one.listener.address, one.listener.kind) == (listener.address, listener.kind):
            spare.remove(one)
            return one.sockets
    return ()


def _take_given(offered: list[socket.socket], listener: Listener) -> tuple[socket.socket, ...]:
    for exactly in (True, False):
        for each in offered:
            if _is_for(each, listener, exactly=exactly):
                offered.remove(each)
                return (each,)
    return ()


def _is_for(given: socket.socket, listener: Listener, *, exactly: bool) -> bool:
    """Tell whether a socket of systemd's is the listener's.

    `ListenStream=587` gives one socket on [::] that takes IPv4 as well: not exactly, but in
    effect, what 0.0.0.0:587 asks for.
    """
    host, port = given.getsockname()[:2]
    if port != listener.port:
        return False
    theirs, ours = ip_address(host), ip_address(listener.host)
    if exactly:
        return theirs == ours
    return theirs.is_unspecified and ours.is_unspecified


def _open(listener: Listener, port: int, *, probe: bool) -> socket.socket:
    if probe:
        # SO_REUSEPORT would let us share a port with another server of the same user; a
        # socket without it finds out.
        with _bound(listener, port, shared=False) as first:
            port = first.getsockname()[1]
    opened = _bound(listener, port, shared=True)
    opened.listen(BACKLOG)
    opened.settimeout(0)
    return opened


def _bound(listener: Listener, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    new = socket.socket(family, socket.SOCK_STREAM)
    try:
        new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        new.bind((listener.host, port))
    except OSError as error:
        new.close()
        raise CannotServe(_explain(listener, error)) from error
    return new


def _explain(listener: Listener, error: OSError) -> str:
    if isinstance(error, PermissionError):
        cure = "start as root with `user` set, or by systemd, or use a port above 1023"
    elif error.errno == 98:
        cure = "stop what listens there, or choose another port"
    else:
        cure = "correct the address"
    return f"cannot listen on {listener.address}: {(error.strerror or '?').lower()}; {cure}"


# --- what systemd opened, and what we tell others -----------------------------------------


def given_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets of sd_listen_fds(3), and take its variables out of `environ`."""
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_FDNAMES", None)
    if not count.isdigit() or pid != str(os.getpid()):
        return []
    given = [socket.socket(fileno=FIRST_GIVEN + number) for number in range(int(count))]
    for each in given:
        each.settimeout(0)
    return given


def write_ports(data: Path, listeners: Sequence[OpenListener]) -> None:
    """Leave `ports.json` in the data folder, for people and programs beside the server."""
    file = data / "ports.json"
    temporary = data / f".ports.json.{secrets.token_hex(4)}"
    text = json.dumps([one.facts() for one in listeners], indent=1)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(file)
