"""Mail waits safely, goes out in order, and once."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from postwicket.sendmail.settings import Server
from postwicket.sendmail.spool import Flushed, Spool
from postwicket.sendmail.submit import Envelope, Session

from .scripted import Scripted, scripted

ANN = Envelope(sender="ann@example.org", recipients=("b@example.com", "c@example.com"))


def flush(spool: Spool, server: Scripted, *, until: float | None = None) -> Flushed:
    with scripted(server), Session(Server(host="127.0.0.1", port=server.port, tls="none")) as one:
        return spool.flush(one, until=until)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "deep" / "spool")


def test_what_is_put_goes_out_in_order_and_once(spool: Spool) -> None:
    for number in range(5):
        spool.put(ANN, f"Subject: {number}\r\n\r\n".encode())
    server = Scripted()
    assert flush(spool, server) == Flushed(sent=5)
    assert server.messages == [f"Subject: {n}\r\n\r\n".encode() for n in range(5)]
    assert server.sessions == 1
    assert flush(spool, server) == Flushed()


def test_only_the_owner_may_read_it(spool: Spool) -> None:
    path = spool.put(ANN, b"\r\n\xff\x00\r\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert spool.folder.stat().st_mode & 0o777 == 0o700


def test_what_the_server_has_no_room_for_stays(spool: Spool) -> None:
    spool.put(ANN, b"\r\n1\r\n")
    spool.put(ANN, b"\r\n2\r\n")
    flushed = flush(spool, Scripted({".": "452 4.3.1 Disk full"}))
    assert flushed == Flushed(waiting=2, reason="452 4.3.1 Disk full")
    assert flush(spool, Scripted()).sent == 2


def test_what_is_refused_for_good_is_set_aside_with_the_reason(spool: Spool) -> None:
    spool.put(ANN, b"\r\n1\r\n")
    spool.put(ANN, b"\r\n2\r\n")
    server = Scripted({"RCPT TO:<c": "550 5.1.1 No such person"})
    assert flush(spool, server) == Flushed(refused=2)
    assert len(server.messages) == 2
    assert spool.waiting() == []
    lines = list(spool.describe())
    assert len(lines) == 2
    assert all(line.endswith("-> c@example.com; 550 5.1.1 No such person") for line in lines)
    assert min(spool.refused.iterdir()).read_bytes().endswith(b"\n\r\n1\r\n")


def test_who_was_served_is_not_served_again(spool: Spool) -> None:
    spool.put(ANN, b"\r\n1\r\n")
    flush(spool, Scripted({"RCPT TO:<c": "450 4.2.1 Busy"}))
    server = Scripted()
    assert flush(spool, server).sent == 1
    assert [command for command in server.commands if "RCPT" in command] == [
        "RCPT TO:<c@example.com>"
    ]


def test_two_never_flush_at_once(spool: Spool) -> None:
    spool.put(ANN, b"\r\n1\r\n")
    with (spool.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert flush(spool, Scripted()) == Flushed()
    assert flush(spool, Scripted()).sent == 1


def test_patience_has_an_end(spool: Spool) -> None:
    spool.put(ANN, b"\r\n1\r\n")
    assert flush(spool, Scripted(), until=time.monotonic() - 1) == Flushed(waiting=1)


@pytest.mark.parametrize("content", [b"", b"no json\n\r\n", b"[]\n", b'{"sender": "a"}\n'])
def test_a_broken_file_is_set_aside(spool: Spool, content: bytes) -> None:
    spool.put(ANN, b"\r\n1\r\n").write_bytes(content)
    spool.put(ANN, b"\r\n2\r\n")
    assert flush(spool, Scripted()) == Flushed(sent=1, refused=1)
    assert next(iter(spool.refused.iterdir())).read_bytes() == content
    assert list(spool.describe())


def test_drafts_of_the_dead_are_cleared_away(spool: Spool) -> None:
    spool.put(ANN, b"\r\n1\r\n")
    old, new = spool.folder / ".draft-old", spool.folder / ".draft-new"
    for path in (old, new):
        path.touch()
    os.utime(old, (1, 1))
    assert [path.name for path in spool.waiting()] != [".draft-old"]
    flush(spool, Scripted())
    assert not old.exists()
    assert new.exists()


def test_nothing_half_written_stays_when_the_disk_is_full(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    spool.folder.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.put(ANN, b"\r\n1\r\n")
    assert list(spool.folder.iterdir()) == []
