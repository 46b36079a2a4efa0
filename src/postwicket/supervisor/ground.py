"""What has to be so before a server may run here: its folder, its lock, its rights.

The lock is two locks on one file.  The supervisor holds one that ends with it; its workers
hold the other one too, for as long as any of them lives.  So a second server is refused at
once, and a server that follows a killed one waits until the last worker has finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import CannotServe

ORPHANS_DRAIN: Final = 45.0  # seconds: workers whose supervisor died finish within 30 to 40


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom the server runs."""

    uid: int
    gid: int


def find_identity(user: str | None, group: str | None) -> Identity | None:
    """Return as whom to run, or None to stay who we are; raise `CannotServe`."""
    if user is None and group is None:
        return None
    try:
        entry = pwd.getpwnam(user) if user is not None else pwd.getpwuid(os.getuid())
        gid = grp.getgrnam(group).gr_gid if group is not None else entry.pw_gid
    except KeyError as error:
        raise CannotServe(f"{error.args[0]}; make it, or correct `user` and `group`") from None
    wanted = Identity(entry.pw_uid, gid)
    if os.geteuid() != 0 and wanted != Identity(os.geteuid(), os.getegid()):
        raise CannotServe(
            f"only root can run the server as {user or '?'}:{group or gid};"
            " start as root, or leave `user` and `group` out"
        )
    return wanted


def drop_privileges(identity: Identity | None) -> None:
    """Become the identity for good, with no more groups than it has; raise `CannotServe`."""
    if identity is None or os.geteuid() != 0:
        return
    if identity.uid == 0:
        os.setgid(identity.gid)
        return
    os.initgroups(pwd.getpwuid(identity.uid).pw_name, identity.gid)
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    for program in (os.__file__, __file__):  # a Python or a checkout in somebody's home
        if not os.access(program, os.R_OK):
            raise CannotServe(
                f"the server's user may not read {program};"
                " install Python and Postwicket where everybody can read them"
            )


def prepare_folder(data: Path, identity: Identity | None) -> None:
    """Make the data folder for its owner alone, if it is not there; raise `CannotServe`."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=False)
    except FileExistsError:
        if not data.is_dir():
            raise CannotServe(f"{data} is not a folder; correct `data`") from None
    except OSError as error:
        raise CannotServe(
            f"cannot make {data}: {error.strerror}; make it for the server's user"
        ) from error
    else:
        _give(data, identity)


def set_limits() -> None:
    """Allow as many connections as the system does, and no memory images of secrets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit, value in ((resource.RLIMIT_NOFILE, hard), (resource.RLIMIT_CORE, 0)):
        # A sandbox may forbid it; then its own limits stand.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))
    os.umask(0o077)


class DataLock:
    """One server for one data folder.  Held until the process and all it forked are gone.

    The process that holds it must not open the file again: closing it would let go of the
    supervisor's lock (fcntl(2), "Record locking").
    """

    def __init__(self, data: Path, identity: Identity | None) -> None:
        file = data / "lock"
        try:
            self._file = file.open("a+b", buffering=0)
        except OSError as error:
            raise CannotServe(
                f"cannot write in {data}: {error.strerror}; give it to the server's user"
            ) from error
        _give(file, identity)
        self._data = data

    def take(self, waiting: Callable[[], None], *, patience: float = ORPHANS_DRAIN) -> None:
        """Take it; raise `CannotServe`, and let go of the file, when another server has it.

        Calls `waiting` once before it waits for the workers of a server that was killed.
        """
        try:
            self._take(waiting, patience)
        except CannotServe:
            self.close()
            raise
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n".encode())

    def _take(self, waiting: Callable[[], None], patience: float) -> None:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotServe(
                f"another server{self._holder()} uses {self._data};"
                " stop it, or give this one a `data` folder of its own"
            ) from None
        if self._flock():
            return
        waiting()
        end = time.monotonic() + patience
        while not self._flock():
            if time.monotonic() > end:
                raise CannotServe(
                    f"workers of a server that was killed still use {self._data};"
                    " end them, then start again"
                )
            time.sleep(0.1)

    def _flock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _holder(self) -> str:
        self._file.seek(0)
        pid = self._file.read(20).strip()
        return f" (process {int(pid)})" if pid.isdigit() else ""

    def close(self) -> None:
        """Let go of it, as far as this process is concerned."""
        self._file.close()


def _give(path: Path, identity: Identity | None) -> None:
    if identity is not None and os.geteuid() == 0:
        os.chown(path, identity.uid, identity.gid)
