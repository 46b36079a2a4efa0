"""The life of a whole server, with real processes and small workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from .server import PATIENCE, Server, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    try:
        server.wait_for("server ready")
        yield server
    finally:
        server.end()


def greetings(server: Server, wanted: Callable[[set[str]], bool]) -> set[str]:
    """Connect until the slots that answer are as wanted."""
    slots: set[str] = set()

    def found() -> bool:
        client, words = server.connect()
        client.close()
        slots.add(words[1])
        return wanted(slots)

    until(found)
    return slots


def test_every_worker_serves_the_port_that_is_written_down(server: Server) -> None:
    assert greetings(server, lambda slots: len(slots) == 2) == {"0", "1"}
    assert server.calls() == ["open"]
    port = server.ports()[0]
    assert {**port, "port": 0} == {
        "name": "submission 127.0.0.1:0",
        "kind": "submission",
        "tls": "none",
        "address": "127.0.0.1",
        "port": 0,
    }
    assert server.wait_for("listening")["port"] == port["port"]


def test_what_it_starts_finds_the_same_configuration(server: Server) -> None:
    assert (server.data / "found").read_text() == str(server.config)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_told(server: Server, number: signal.Signals) -> None:
    os.killpg(server.process.pid, number)  # as a terminal does it
    assert server.process.wait(PATIENCE) == 0
    assert len(server.events("worker ended")) == 2
    assert {event["how"] for event in server.events("worker ended")} == {"exit 0"}
    assert not (server.data / "ports.json").exists()
    assert server.calls() == ["open"]


def test_a_worker_that_crashed_comes_back_in_its_slot_and_its_claims_are_free(
    server: Server,
) -> None:
    client, words = server.connect()
    client.sendall(b"crash")
    ended = server.wait_for("worker ended")
    assert ended["how"] == "exit 9"
    server.wait_for("worker started", 3)
    assert server.calls() == ["open", f"release {words[1]}"]
    # Connections that the kernel gave to its socket in the meantime are served.
    clients = [server.connect() for _ in range(20)]
    pids = {words[3] for _, words in clients}
    assert words[3] not in pids
    assert {words[1] for _, words in clients} == {"0", "1"}
    for each, _ in clients:
        each.close()
    client.close()


def test_a_reload_rolls_the_workers_and_keeps_the_sessions(server: Server) -> None:
    before = server.ports()
    client, words = server.connect()
    server.configure("new.example.org")
    server.signal(signal.SIGHUP)
    server.wait_for("configuration reloaded")
    assert server.ports() == before
    until(lambda: len(server.events("worker ended")) == 1)  # the one without a session
    client.sendall(b"still there?")
    assert client.recv(100) == b"still there?"
    assert greetings(server, lambda slots: len(slots) == 2) == {"2", "3"}
    other, (_, _, hostname, _) = server.connect()
    assert (words[2], hostname) == ("mail.example.org", "new.example.org")
    client.close()
    until(lambda: len(server.events("worker ended")) == 2)
    assert server.calls() == ["open"]
    other.close()


def test_a_broken_configuration_is_refused_and_the_old_one_stays(server: Server) -> None:
    broken = ("hostnam = 1", "[", 'hostname = "x.example"\ndata = "elsewhere"')
    for count, text in enumerate(broken, 1):
        server.config.write_text(text)
        server.signal(signal.SIGHUP)
        server.wait_for("reload refused; the old configuration stays", count)
    server.configure("broken.example.org")  # its workers do not start
    server.signal(signal.SIGHUP)
    server.wait_for("reload refused; the old configuration stays", 4)
    client, words = server.connect()
    assert words[2] == "mail.example.org"
    client.close()
    server.configure("good.example.org")
    server.signal(signal.SIGHUP)
    server.wait_for("configuration reloaded")
    client, words = server.connect()
    assert words[2] == "good.example.org"
    client.close()


def test_a_reload_opens_and_closes_listeners(server: Server) -> None:
    port = server.ports()[0]["port"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.configure(listeners=[f"127.0.0.1:{taken.getsockname()[1]}"])
        server.signal(signal.SIGHUP)
        refused = server.wait_for("reload refused; the old configuration stays")
    assert "address already in use; stop what listens there" in refused["why"]
    server.configure(listeners=["127.0.0.1:0", "127.0.0.2:0"])
    server.signal(signal.SIGHUP)
    server.wait_for("configuration reloaded")
    assert [each["address"] for each in server.ports()] == ["127.0.0.1", "127.0.0.2"]
    assert server.ports()[0]["port"] == port
    server.configure(listeners=["127.0.0.2:0"])
    server.signal(signal.SIGHUP)
    server.wait_for("configuration reloaded", 2)
    until(lambda: len(server.events("worker ended")) == 4)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_reloads_in_a_burst_end_with_the_last_configuration(server: Server) -> None:
    for number in range(5):
        server.configure(f"mail{number}.example.org")
        server.signal(signal.SIGHUP)
        time.sleep(0.02)

    def current() -> str:
        client, words = server.connect()
        client.close()
        return words[2]

    until(lambda: current() == "mail4.example.org")


def test_workers_go_when_the_supervisor_was_killed_and_a_new_server_follows(
    server: Server,
) -> None:
    client, words = server.connect()
    os.kill(server.process.pid, signal.SIGKILL)
    assert client.recv(100) == b""
    until(lambda: not Path(f"/proc/{words[3]}").exists() or _is_zombie(words[3]))
    client.close()
    server.process.wait(PATIENCE)
    server.start()
    server.wait_for("server ready", 2)
    assert server.calls() == ["open", "open"]


def _is_zombie(pid: str) -> bool:
    with suppress(FileNotFoundError):
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    return True


def test_a_second_server_on_the_same_folder_is_refused(server: Server) -> None:
    second = Server(server.folder)
    second.log = server.folder / "second"
    second.start()
    assert second.process.wait(PATIENCE) == 1
    assert second.log.read_text() == (
        f"postwicket: another server (process {server.process.pid}) uses {server.data};"
        " stop it, or give this one a `data` folder of its own\n"
    )


def test_a_second_server_on_the_same_port_is_refused(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    second = Server(folder)
    second.configure(listeners=[f"127.0.0.1:{server.ports()[0]['port']}"])
    second.start()
    assert second.process.wait(PATIENCE) == 1
    assert "address already in use; stop what listens there" in second.log.read_text()


def test_workers_that_do_not_stop_are_killed_and_a_second_signal_hurries(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.configure("stubborn.example.org")
    server.start()
    try:
        server.wait_for("server ready")
        server.signal(signal.SIGTERM)
        server.wait_for("server stops")
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.3)
        server.signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        server.wait_for("workers did not finish in time")
    finally:
        server.end()


def test_workers_that_never_get_ready_end_the_start(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.configure("broken.example.org")
    server.start()
    try:
        assert server.process.wait(PATIENCE) == 1
        assert len(server.events("worker started")) in {5, 6}  # three times two, or one fewer
    finally:
        server.end()


def test_the_web_worker_has_its_own_process(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.configure(more='[[listener]]\naddress = "127.0.0.1:0"\nkind = "http"\n')
    server.start()
    try:
        server.wait_for("server ready")
        mail, (kind, _, _, pid) = server.connect(0)
        web, (web_kind, slot, _, web_pid) = server.connect(1)
        assert (kind, web_kind, slot) == ("mail", "web", "-")
        assert pid != web_pid
        web.sendall(b"crash")
        assert server.wait_for("worker ended")["worker"] == "web"
        again, (_, _, _, new_pid) = server.connect(1)
        assert new_pid != web_pid
        assert server.calls() == ["open"]
        for each in (mail, web, again):
            each.close()
    finally:
        server.end()


def test_systemd_hears_how_it_goes(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        server = Server(
            tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC=str(200_000)
        )
        server.start()
        heard: list[str] = []

        def hear(start: str) -> str:
            while True:
                heard.append(manager.recv(1000).decode())
                if heard[-1].startswith(start):
                    return heard[-1]

        try:
            assert "STATUS=2 workers on 127.0.0.1:" in hear("READY=1")
            hear("WATCHDOG=1")
            server.config.write_text("[")
            server.signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in hear("RELOADING=1")
            assert "reload refused" in hear("READY=1")
            server.signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert server.process.wait(PATIENCE) == 0
        finally:
            server.end()


# What systemd does: the socket as descriptor 3, the process named, then the program.
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_systemds_socket_is_shared_and_outlives_the_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        server = Server(tmp_path)
        server.configure(listeners=[f"127.0.0.1:{given.getsockname()[1]}"])
        for turn in (1, 2):
            number = given.fileno()
            server.start(sys.executable, "-c", ACTIVATE, str(number), pass_fds=(number,))
            try:
                server.wait_for("server ready", turn)
                assert server.ports()[0]["port"] == given.getsockname()[1]
                client, words = server.connect()
                assert words[0] == "mail"
                client.close()
                server.signal(signal.SIGTERM)
                assert server.process.wait(PATIENCE) == 0
            finally:
                server.end()
