"""The load generator: it must read replies exactly, and count what went wrong."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from bench.generator import Connection, Load, Session, UnexpectedReply, client_context, content


def connected(port: int) -> Connection:
    return Connection(Load(port=port, timeout=5.0), client_context())


def serve(*replies: bytes) -> int:
    """Answer one client: the greeting, then one reply per line that it sends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        with listener:
            peer, _ = listener.accept()
        with peer, peer.makefile("rb") as lines:
            for reply in replies:
                for octet in reply:
                    peer.sendall(bytes([octet]))  # the network may cut anywhere
                lines.readline()

    threading.Thread(target=talk, daemon=True).start()
    return int(listener.getsockname()[1])


def test_a_reply_of_several_lines_is_one_reply() -> None:
    port = serve(b"220-hello\r\n220 there\r\n", b"250-a\r\n250-b\r\n250 c\r\n", b"354 go\r\n")
    connection = connected(port)
    connection.say(b"DATA\r\n", b"3")
    connection.socket.close()


def test_another_class_than_the_wanted_one_is_an_error_with_the_servers_words() -> None:
    port = serve(b"220 hello\r\n", b"250-a\r\n250 b\r\n", b"250-no\r\n451 4.3.1 disk full\r\n")
    connection = connected(port)
    with pytest.raises(UnexpectedReply, match=r"451 4\.3\.1 disk full"):
        connection.say(b"NOOP\r\n", b"2")
    connection.socket.close()


def test_a_lost_connection_is_an_error() -> None:
    with pytest.raises(UnexpectedReply, match="closed"):
        connected(serve(b"220 hello\r\n"))


def test_what_is_left_on_a_refused_connection_counts_as_errors() -> None:

    port = serve(b"220 hello\r\n", b"250 a\r\n", b"550 5.7.1 no\r\n")
    tokens, work = os.pipe()
    os.write(work, bytes([7]))
    os.close(work)
    session = Session(Load(port=port, timeout=5.0), 0)
    session.work(tokens)
    os.close(tokens)
    assert dict(session.errors) == {"UnexpectedReply: 550 5.7.1 no": 7}
    assert not session.latencies


@pytest.mark.parametrize("size", [1, 1000, 4096, 100_000])
def test_content_has_the_size_and_ends_a_message_once(size: int) -> None:
    head, tail = content(Load(port=25, size=size), "7")
    whole = head + b"1" + tail
    assert len(whole) == max(size, len(head) + 27) + 3 or size < 1000
    assert whole.count(b"\r\n.") == 1
    assert whole.endswith(b"\r\n.\r\n")
    assert b"\n" not in whole.replace(b"\r\n", b"")
