"""Fetching policies: what counts as one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postwicket.core.tls_verdict import TlsVerdict
from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import client_context, server_context
from postwicket.trust.mta_sts import LARGEST_POLICY, Mode, StsPolicy
from postwicket.trust.mta_sts_fetch import FetchFailed, fetch
from tests.net.web_host import WebHost, answer

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmax_age: 86400\r\n"


@pytest.fixture(scope="module")
def own() -> Iterator[Authority]:
    """Make a certificate for the policy host of example.com once."""
    with TemporaryDirectory() as folder:
        yield ensure_authority(Path(folder), "mta-sts.example.com")


def got(
    own: Authority, host: WebHost, domain: str = "example.com", seconds: float = 5.0
) -> StsPolicy:
    async def run() -> StsPolicy:
        async with host.listening(server_context(own.certificate, own.key)):

            async def where(name: str) -> Sequence[tuple[str, int]]:
                assert name == f"mta-sts.{domain}"
                return [host.address]

            policy, content = await fetch(domain, where, client_context(own.ca), seconds=seconds)
            assert content in host.says
            return policy

    return asyncio.run(run())


def test_a_policy(own: Authority) -> None:
    host = WebHost(answer(POLICY, kind="text/plain; charset=us-ascii"))
    policy = got(own, host)
    assert policy.mode is Mode.ENFORCE
    assert policy.mx == ("mx.example.com",)
    assert host.heard[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("says", "verdict"),
    [
        (answer(status="404 Not Found"), TlsVerdict.STS_FETCH),
        (answer(POLICY, status="203 Transformed"), TlsVerdict.STS_FETCH),
        (answer(status="301 Moved", more="Location: /x\r\n"), TlsVerdict.STS_FETCH),
        (answer(POLICY, kind="text/html"), TlsVerdict.STS_INVALID),
        (answer(POLICY.replace(b"STSv1", b"STSv9")), TlsVerdict.STS_INVALID),
        (answer(POLICY + b"x: " + b"x" * LARGEST_POLICY), TlsVerdict.STS_FETCH),
        (b"", TlsVerdict.STS_FETCH),
    ],
)
def test_no_policy(own: Authority, says: bytes, verdict: TlsVerdict) -> None:
    with pytest.raises(FetchFailed) as failed:
        got(own, WebHost(says))
    assert failed.value.verdict is verdict


def test_a_certificate_for_another_name(own: Authority) -> None:
    with pytest.raises(FetchFailed) as failed:
        got(own, WebHost(answer(POLICY)), domain="example.org")
    assert failed.value.verdict is TlsVerdict.STS_WEBPKI


def test_a_host_that_takes_for_ever(own: Authority) -> None:
    with pytest.raises(FetchFailed, match="took longer") as failed:
        got(own, WebHost(answer(POLICY * 300), pause=0.2), seconds=0.5)
    assert failed.value.verdict is TlsVerdict.STS_FETCH
