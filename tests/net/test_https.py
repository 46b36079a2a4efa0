"""HTTPS requests to hosts that behave, and to hosts that do not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import client_context, server_context
from postwicket.net.https import HttpsFailed, Page, Request, ask

from .web_host import WebHost, answer


@pytest.fixture(scope="module")
def own() -> Iterator[Authority]:
    """Make a certificate for policy.example once."""
    with TemporaryDirectory() as folder:
        yield ensure_authority(Path(folder), "policy.example")


def contexts(own: Authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = server_context(own.certificate, own.key)
    return server, client_context(own.ca)


def get(
    own: Authority,
    host: WebHost,
    *,
    name: str = "policy.example",
    limit: int = 1000,
    seconds: float = 5.0,
    before: tuple[tuple[str, int], ...] = (),
    request: Request | None = None,
) -> Page:
    async def run() -> Page:
        server, client = contexts(own)
        async with host.listening(server):
            return await ask(
                request or Request(host=name, path="/a?b=c"),
                [*before, host.address],
                client,
                limit=limit,
                seconds=seconds,
            )

    return asyncio.run(run())


def test_a_page_comes_back_as_it_is(own: Authority) -> None:
    host = WebHost(answer(b"hello\n", kind="Text/Plain; charset=utf-8"))
    assert get(own, host) == Page(200, "text/plain", b"hello\n")
    assert host.heard[0].startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert b"host: policy.example\r\n" in host.heard[0].lower()


def test_what_is_posted_arrives(own: Authority) -> None:
    host = WebHost(answer(status="201 Created"))
    request = Request(
        host="policy.example",
        path="/",
        port=8443,
        method="POST",
        headers={"Content-Type": "application/tlsrpt+gzip"},
        content=b"report",
    )
    assert get(own, host, request=request).status == 201
    assert host.heard[0].endswith(b"\r\n\r\nreport")
    assert b"host: policy.example:8443\r\n" in host.heard[0].lower()


def test_a_redirect_is_an_answer_and_not_followed(own: Authority) -> None:
    host = WebHost(answer(status="302 Found", more="Location: https://policy.example/b\r\n"))
    assert get(own, host).status == 302
    assert len(host.heard) == 1


def test_the_certificate_has_to_be_for_the_host(own: Authority) -> None:
    host = WebHost(answer(b"hello"))
    with pytest.raises(HttpsFailed, match="mismatch") as failed:
        get(own, host, name="other.example")
    assert failed.value.distrusted
    assert not host.heard


def test_the_certificate_has_to_come_from_somebody_we_trust(
    own: Authority, tmp_path: Path
) -> None:
    other = ensure_authority(tmp_path, "policy.example")

    async def run() -> None:
        server, _ = contexts(own)
        async with WebHost(answer(b"hello")).listening(server) as host:
            await ask(
                Request(host="policy.example", path="/"),
                [host.address],
                client_context(other.ca),
                limit=10,
                seconds=5,
            )

    with pytest.raises(HttpsFailed) as failed:
        asyncio.run(run())
    assert failed.value.distrusted


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (answer(b"x" * 1001), "more than 1000 octets"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "more than 1000 octets"),
        (answer(b"x", more="Content-Encoding: gzip\r\n"), "compressed"),
        (b"no HTTP\r\n\r\n", "policy.example"),
        (b"", "policy.example"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", "policy.example"),
    ],
)
def test_answers_that_are_none(own: Authority, says: bytes, why: str) -> None:
    with pytest.raises(HttpsFailed, match=why) as failed:
        get(own, WebHost(says))
    assert not failed.value.distrusted


def test_time_has_an_end_though_octets_go_on_coming(own: Authority) -> None:
    host = WebHost(answer(b"x" * 500_000), pause=0.05)
    with pytest.raises(HttpsFailed, match="took longer"):
        get(own, host, limit=1_000_000, seconds=0.5)


def test_the_next_address_is_tried_where_nobody_answers(own: Authority) -> None:
    host = WebHost(answer(b"hello"))
    assert get(own, host, before=(("127.0.0.1", 9),)).content == b"hello"


def test_without_an_address_nothing_is_asked(own: Authority) -> None:
    async def run() -> None:
        await ask(Request(host="a.example", path="/"), [], contexts(own)[1], limit=1, seconds=1)

    with pytest.raises(HttpsFailed, match="no address"):
        asyncio.run(run())
