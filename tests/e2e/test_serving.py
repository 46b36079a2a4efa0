"""The whole server in its life: drain, reload, crash, and how it gets its sockets."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import ssl
import sys
from pathlib import Path
from typing import Final

import pytest

from .authority import Pair, TestAuthority
from .conftest import Serve
from .server import HOST, until
from .sink import Sink
from .talk import MAIL, plain, send, session, until_end

TO_SINK: Final = """\
[[route]]
via = "upstream:sink"

[[upstream]]
name = "sink"
host = "127.0.0.1"
port = {port}
tls = "none"

[queue]
retry = ["1s"]
"""
WITHOUT_SIGN_IN: Final = """\
[[listener]]
address = "127.0.0.1:{port}"
tls = "none"
account = "ann@example.org"
{more}
"""


def test_what_is_under_way_is_finished_when_the_server_is_told_to_stop(serve: Serve) -> None:
    server = serve()
    ann = server.account("ann@example.org")
    with session(server, ann) as idle, session(server, ann) as busy:
        busy.mail("ann@example.org")
        busy.rcpt("bob@example.com")
        assert busy.docmd("DATA")[0] == 354
        busy.send(MAIL[:40])
        port = server.port("starttls")
        server.signal(signal.SIGTERM)
        server.wait_for("server stops")
        assert idle.getreply()[0] == 421
        _assert_not_served(port)
        busy.send(MAIL[40:] + b".\r\n")
        assert busy.getreply()[0] == 250
        # It has had its turn: what comes next is for the server that comes next.
        assert busy.getreply()[0] == 421
    assert server.wait() == 0
    # Delivering was no longer this server's business; keeping was.
    (waiting,) = server.queue()
    assert waiting["state"] == "queued"
    server.start()
    (kept,) = until(server.inbox)
    assert kept["subject"] == "hello"
    server.stop()


def _assert_not_served(port: int) -> None:
    """Demand that a new client is refused, by TCP or with a 421."""
    try:
        with plain(port) as client:
            assert client.recv(512)[:3] in {b"421", b""}
    except ConnectionError:
        pass


def test_a_new_certificate_comes_without_losing_a_session(serve: Serve, tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path / "authority")
    old, new = authority.pair("old"), authority.pair("new")
    server = serve(settings=_tls(old))
    ann = server.account("ann@example.org")
    context = ssl.create_default_context(cafile=authority.ca)
    with session(server, ann, context=context) as early:
        assert "old" in _certificate_of(early)
        server.configure(_tls(new))
        server.signal(signal.SIGHUP)
        server.wait_for("configuration reloaded")
        with session(server, ann, context=context) as late:
            assert "new" in _certificate_of(late)
            assert send(late)[0] == 250
        assert send(early)[0] == 250
        server.config.write_text("hostnam = 1")
        server.signal(signal.SIGHUP)
        assert "hostname" in server.wait_for("reload refused; the old configuration stays")["why"]
        server.configure(_tls(Pair(tmp_path / "nowhere", new.key)))
        server.signal(signal.SIGHUP)
        server.wait_for("reload refused; the old configuration stays", count=2)
        assert send(early)[0] == 250
        with session(server, ann, context=context) as later:
            assert "new" in _certificate_of(later)
    server.configure(_tls(new))
    until(lambda: len(server.inbox()) == 3)
    server.stop()


def _tls(pair: Pair) -> str:
    return f'[tls]\ncertificate = "{pair.certificate}"\nkey = "{pair.key}"\n'


def _certificate_of(smtp: smtplib.SMTP) -> str:
    assert isinstance(smtp.sock, ssl.SSLSocket)
    certificate = smtp.sock.getpeercert()
    assert certificate is not None
    return str(certificate["subject"])


def test_a_killed_worker_is_replaced_and_its_mail_goes_out(serve: Serve) -> None:
    with Sink() as sink:
        sink.open.clear()
        server = serve(settings=TO_SINK.format(port=sink.port), workers=1)
        ann = server.account("ann@example.org")
        with session(server, ann) as smtp:
            for number in range(5):
                assert send(smtp, f"m{number}@example.com")[0] == 250
            until(lambda: sink.waiting == 5)
            os.kill(server.events("worker started")[0]["pid"], signal.SIGKILL)
            with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
                smtp.docmd("NOOP")
        assert server.wait_for("worker ended")["how"] == "SIGKILL"
        # The sink hung on to the last reply; as far as anybody knows, nothing was delivered.
        until(lambda: sink.waiting == 10)
        sink.open.set()
        until(lambda: not server.queue())
        assert set(sink.recipients()) == {f"m{number}@example.com" for number in range(5)}
        with session(server, ann) as smtp:
            assert send(smtp)[0] == 250
        until(lambda: "bob@example.com" in sink.recipients())
        server.stop()


def test_two_servers_do_not_share_a_folder(serve: Serve) -> None:
    server = serve()
    said = server.run("serve")
    assert said.status == 1
    assert "another server" in said.err
    server.stop()


def test_the_client_behind_a_proxy_is_the_one_that_is_known(serve: Serve) -> None:
    more = 'proxy = ["127.0.0.1"]'
    server = serve(listeners=WITHOUT_SIGN_IN.format(port=0, more=more))
    server.account("ann@example.org")
    talk = b"EHLO printer\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"
    header = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 25\r\n"
    with plain(server.port("none"), first=header) as client:
        assert client.recv(512).startswith(b"220 ")
        client.sendall(talk + MAIL + b".\r\nQUIT\r\n")
        assert b"250 2.0.0" in until_end(client)
    (kept,) = server.inbox()
    assert b"from printer ([203.0.113.7])" in server.source(kept["id"])
    with plain(server.port("none"), first=b"EHLO stranger\r\n") as client:
        assert until_end(client) == b""
    server.wait_for("finding", rule="proxy.header")
    # Nobody here speaks TLS, so nobody makes keys; two workers at once would mix theirs up.
    assert not (server.data / "ca.pem").exists()
    server.stop()


# Takes the place of systemd: the socket becomes number 3, and the server this very process.
SYSTEMD: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_the_socket_can_be_opened_by_somebody_else(install: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        server = install(listeners=WITHOUT_SIGN_IN.format(port=port, more=""))
        server.account("ann@example.org")
        number = opened.fileno()
        with socket.create_connection(("127.0.0.1", port)) as early:  # nobody is there yet
            server.start(sys.executable, "-c", SYSTEMD, str(number), pass_fds=(number,))
            assert server.port("none") == port
            assert early.recv(512).startswith(b"220 ")
        with smtplib.SMTP(HOST, port) as smtp:
            assert send(smtp)[0] == 250
        assert len(server.inbox()) == 1
        server.stop()
