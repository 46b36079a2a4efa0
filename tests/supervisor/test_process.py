"""Forking: how a worker's end becomes a status, and what it does not inherit."""

from __future__ import annotations

import os
import signal
import socket
import sys

import pytest

from postwicket.supervisor.process import READY, describe_end, fork_worker


def end_of(pid: int) -> str:
    return describe_end(os.waitpid(pid, 0)[1])


def leave(status: object) -> int:
    sys.exit(status)  # type: ignore[arg-type] # that is what is tested


def fail(_: int) -> int:
    raise ValueError("no")


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize(
    ("work", "end"),
    [
        (lambda _: None, "exit 0"),
        (lambda _: 3, "exit 3"),
        (lambda _: leave(4), "exit 4"),
        (lambda _: leave(None), "exit 0"),
        (lambda _: leave("sorry"), "exit 1"),
        (fail, "exit 1"),
        (die, "SIGKILL"),
    ],
)
def test_every_end_is_a_status(work: object, end: str, capfd: pytest.CaptureFixture[str]) -> None:
    pid, control = fork_worker(work, not_theirs=())  # type: ignore[arg-type] # see above
    assert end_of(pid) == end
    control.close()
    assert ("ValueError: no" in capfd.readouterr().err) is (work is fail)


def test_it_says_ready_and_hears_when_we_are_gone() -> None:
    def work(control: int) -> int:
        os.write(control, READY)
        return 0 if os.read(control, 10) == b"" else 1

    pid, control = fork_worker(work, not_theirs=())
    control.settimeout(10)
    assert control.recv(10) == READY
    control.close()
    assert end_of(pid) == "exit 0"


def test_what_is_not_its_own_is_closed() -> None:
    ours, theirs = socket.socketpair()
    number = ours.fileno()

    def work(_: int) -> int:
        try:
            os.fstat(number)
        except OSError:
            return 0
        return 1

    pid, control = fork_worker(work, not_theirs=[ours])
    assert end_of(pid) == "exit 0"
    assert ours.fileno() == number
    for each in (ours, theirs, control):
        each.close()


def test_signals_are_as_in_a_new_program_but_for_those_of_a_terminal() -> None:
    previous = signal.signal(signal.SIGTERM, lambda *_: None)

    def work(_: int) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
        return 5

    try:
        pid, control = fork_worker(work, not_theirs=())
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert end_of(pid) == "exit 5"
    control.close()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
