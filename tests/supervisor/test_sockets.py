"""Opening sockets: real ports, one for each worker, and what systemd brings along."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from postwicket.config import Listener
from postwicket.supervisor.errors import CannotServe
from postwicket.supervisor.sockets import (
    OpenListener,
    close_unused,
    given_sockets,
    open_listeners,
    write_ports,
)

MAIL = Listener(address="127.0.0.1:0")
WEB = Listener(address="127.0.0.1:0", kind="http", tls="none")


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(
    closing: ExitStack, *listeners: Listener, workers: int = 2, **more: list[socket.socket]
) -> tuple[OpenListener, ...]:
    found = open_listeners(listeners, workers=workers, **more)  # type: ignore[arg-type] # given
    for one in found:
        for each in one.sockets:
            closing.enter_context(each)
    return found


def test_each_mail_worker_gets_a_socket_on_the_same_port(closing: ExitStack) -> None:
    mail, web = opened(closing, MAIL, WEB, workers=3)
    assert len(mail.sockets) == 3
    assert {each.getsockname() for each in mail.sockets} == {("127.0.0.1", mail.port)}
    assert len(web.sockets) == 1
    assert mail.port != web.port != 0
    assert mail.socket_of(2) is mail.sockets[2]
    assert web.socket_of(2) is web.sockets[0]


def test_a_port_that_somebody_has_is_refused_even_if_they_would_share(
    closing: ExitStack,
) -> None:
    (first,) = opened(closing, MAIL)
    again = Listener(address=f"127.0.0.1:{first.port}")
    with pytest.raises(CannotServe, match=f"cannot listen on 127.0.0.1:{first.port}: address al"):
        open_listeners([MAIL, again], workers=2)


def test_an_address_of_another_machine_is_explained() -> None:
    with pytest.raises(CannotServe, match="cannot assign requested address; correct the address"):
        open_listeners([Listener(address="192.0.2.1:2587")], workers=1)


def test_kept_sockets_are_the_same_and_the_rest_is_closed(closing: ExitStack) -> None:
    old = opened(closing, MAIL, MAIL, WEB)
    new = open_listeners([WEB, MAIL], workers=2, kept=old)
    assert new[0].sockets == old[2].sockets
    assert new[1].sockets == old[0].sockets
    close_unused(old, new)
    assert all(each.fileno() < 0 for each in old[1].sockets)
    assert all(each.fileno() >= 0 for one in new for each in one.sockets)


def test_a_port_can_change_its_kind_during_a_reload(closing: ExitStack) -> None:
    (mail,) = opened(closing, MAIL)
    fixed = Listener(address=f"127.0.0.1:{mail.port}")
    web = Listener(address=fixed.address, kind="http", tls="none")
    (new,) = open_listeners([web], workers=2, kept=[OpenListener(fixed, mail.sockets)])
    closing.enter_context(new.sockets[0])
    assert new.port == mail.port
    assert new.sockets[0] not in mail.sockets


def test_ipv6_stands_beside_ipv4(closing: ExitStack) -> None:
    (four,) = opened(closing, MAIL)
    (six,) = opened(closing, Listener(address=f"[::1]:{four.port}"))
    assert six.port == four.port


@pytest.mark.parametrize(
    ("bound", "asked", "fits"),
    [
        ("127.0.0.1", "127.0.0.1:{}", True),
        ("127.0.0.1", "127.0.0.2:{}", False),
        ("::", "0.0.0.0:{}", True),
        ("::", "[::]:{}", True),
        ("::", "127.0.0.1:{}", False),
    ],
)
def test_systemds_sockets_are_matched_by_address(
    closing: ExitStack, bound: str, asked: str, fits: bool
) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    given = closing.enter_context(socket.socket(family))
    given.bind((bound, 0))
    given.listen()
    wanted = Listener(address=asked.format(given.getsockname()[1]))
    try:
        (one,) = opened(closing, wanted, given=[given])
    except CannotServe:  # not given to us, and taken by the test
        assert not fits
        return
    assert (one.sockets == (given,)) is fits
    assert not fits or one.socket_of(5) is given


def test_given_sockets_are_for_the_process_that_is_named() -> None:
    environ = {"LISTEN_FDS": "2", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b"}
    assert given_sockets(environ) == []
    assert environ == {}
    environ = {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())}
    assert given_sockets(environ) == []


def test_ports_are_written_for_others(closing: ExitStack, tmp_path: Path) -> None:
    found = opened(closing, MAIL, WEB)
    write_ports(tmp_path, found)
    assert json.loads((tmp_path / "ports.json").read_text()) == [
        {
            "name": f"{kind} 127.0.0.1:0",
            "kind": kind,
            "tls": tls,
            "address": "127.0.0.1",
            "port": one.port,
        }
        for one, kind, tls in zip(found, ("submission", "http"), ("starttls", "none"), strict=True)
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["ports.json"]
