"""The ground under a server: who it runs as, whose folder it is."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from postwicket.supervisor.errors import CannotServe
from postwicket.supervisor.ground import (
    DataLock,
    Identity,
    drop_privileges,
    find_identity,
    prepare_folder,
)


def in_child(work: object) -> int:
    """Run it in a fork; return the exit status (99: it raised)."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = work()  # type: ignore[operator] # a function
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_nobody_named_is_nobody_changed() -> None:
    assert find_identity(None, None) is None
    drop_privileges(None)


def test_ourselves_is_fine_and_strangers_do_not_exist() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    found = find_identity(me, grp.getgrgid(os.getgid()).gr_name)
    assert found == Identity(os.getuid(), os.getgid())
    with pytest.raises(CannotServe, match="correct `user` and `group`"):
        find_identity("no-such-user-here", None)
    with pytest.raises(CannotServe, match="correct `user` and `group`"):
        find_identity(None, "no-such-group-here")


def test_root_becomes_somebody_else_for_good(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        with pytest.raises(CannotServe, match="start as root"):
            find_identity("nobody", None)
        return
    identity = find_identity("nobody", None)
    assert identity is not None
    data = tmp_path / "data"
    prepare_folder(data, identity)
    assert data.stat().st_uid == identity.uid

    def work() -> int:
        with suppress(CannotServe):  # where Python is in root's home
            drop_privileges(identity)
        assert os.getresuid() == (identity.uid,) * 3
        assert os.getresgid() == (identity.gid,) * 3
        assert 0 not in os.getgroups()
        with pytest.raises(PermissionError):
            os.setuid(0)
        return 0

    assert in_child(work) == 0


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    data = tmp_path / "a" / "data"
    prepare_folder(data, None)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    prepare_folder(data, None)
    (tmp_path / "file").touch()
    with pytest.raises(CannotServe, match="is not a folder"):
        prepare_folder(tmp_path / "file", None)
    with pytest.raises(CannotServe, match="cannot make"):
        prepare_folder(tmp_path / "file" / "data", None)


def never() -> None:
    raise AssertionError("there is nobody to wait for")


def test_one_server_for_one_folder(tmp_path: Path) -> None:
    lock = DataLock(tmp_path, None)
    lock.take(never)

    def second() -> int:
        with pytest.raises(CannotServe, match=rf"another server \(process {os.getppid()}\)"):
            DataLock(tmp_path, None).take(never)
        return 0

    assert in_child(second) == 0
    lock.close()

    def third() -> int:
        DataLock(tmp_path, None).take(never)
        return 0

    assert in_child(third) == 0


def test_a_killed_servers_workers_are_waited_for(tmp_path: Path) -> None:
    read, write = os.pipe()

    def server() -> int:
        lock = DataLock(tmp_path, None)
        lock.take(never)
        worker = os.fork()
        if worker == 0:
            signal.pause()
        os.write(write, f"{worker}\n".encode())
        return 0

    assert in_child(server) == 0
    worker = int(os.read(read, 20))
    os.close(read)
    os.close(write)
    waited: list[bool] = []
    try:
        with pytest.raises(CannotServe, match="workers of a server that was killed"):
            DataLock(tmp_path, None).take(lambda: waited.append(True), patience=0.1)
        lock = DataLock(tmp_path, None)
        lock.take(lambda: os.kill(worker, signal.SIGKILL), patience=10)
        lock.close()
    finally:
        if waited == []:
            os.kill(worker, signal.SIGKILL)
    assert waited == [True]


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="give it to the server's user"):
        DataLock(tmp_path / "nowhere", None)
