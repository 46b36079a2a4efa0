"""Connections with TLS and sign-in, and peers that get it wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postwicket.core.address import Address
from postwicket.core.envelope import Demands, Sender
from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import server_context

from .peer import OFFERS, Peer, Script
from .world import BODY, HEADER, World, run, settings_for, world

SIGN_IN = {"username": "ann", "password": "hunter2secret"}


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    """Make a certificate authority once."""
    with TemporaryDirectory() as folder:
        yield ensure_authority(Path(folder), "peer.example")


def secure(authority: Authority, *, implicit: bool = False, **more: object) -> Script:
    context = server_context(authority.certificate, authority.key)
    offers = (*OFFERS, "STARTTLS", "AUTH PLAIN LOGIN")
    script = Script(offers=offers, tls=context, implicit=implicit)
    for name, value in more.items():
        setattr(script, name, value)
    return script


async def first_answer(here: World) -> tuple[str, str, str]:
    sent = here.post("bob@example.com")
    (first, *_) = await here.tried(sent)
    return first.state, first.cause, first.reply


@pytest.mark.parametrize(
    ("offer", "verify", "outcome"),
    [(True, True, "delivered"), (False, True, "failed"), (True, False, "failed")],
)
def test_require_tls_at_an_upstream(
    authority: Authority, outcome: str, *, offer: bool, verify: bool
) -> None:
    """It has to be verified and to offer REQUIRETLS; else the body of the mail goes nowhere."""

    async def test() -> None:
        script = secure(authority)
        if offer:
            script.offers = (*script.offers, "REQUIRETLS")
        upstream = {"host": "localhost", "tls": "starttls", "ca": str(authority.ca)}
        async with (
            Peer(script).listening() as peer,
            world(settings_for(peer.port, upstream={**upstream, "verify": verify})) as here,
        ):
            ann = Sender(address=Address.parse("ann@example.org"), ret="FULL")
            demands = Demands(require_tls=True)
            sent = here.post("bob@example.com", sender=ann, demands=demands)
            assert await here.final(sent) == [outcome]
            mails = [line for line in peer.commands if line.startswith("MAIL")]
            attempt = here.memory.of(sent)[0].attempts[0]
            if outcome == "delivered":
                assert mails == [mails[0]]
                assert "REQUIRETLS" in mails[0].split()
                assert attempt.trust == "verified for localhost"
                return
            assert mails == []
            assert attempt.reply.startswith("550 5.7.30 REQUIRETLS support required")
            assert b"Hello" not in here.bytes_of(here.notices()[-1].id)

    run(test())


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("auth", ["plain", "login"])
def test_tls_and_sign_in(authority: Authority, auth: str, *, implicit: bool) -> None:
    async def test() -> None:
        script = secure(authority, implicit=implicit)
        if auth == "login":
            script.replies = {
                "AUTH": b"334 VXNlcm5hbWU6\r\n",
                "YW5u": b"334 UGFzc3dvcmQ6\r\n",
                "aHVudGVyMnNlY3JldA==": b"235 ok\r\n",
            }
        upstream = {
            "host": "localhost",
            "tls": "implicit" if implicit else "starttls",
            "ca": str(authority.ca),
            "auth": auth,
            **SIGN_IN,
        }
        async with (
            Peer(script).listening() as peer,
            world(settings_for(peer.port, upstream=upstream)) as here,
        ):
            sent = here.post("bob@example.com")
            assert await here.final(sent) == ["delivered"]
            assert peer.got[0].data == HEADER + BODY
            attempt = here.memory.of(sent)[0].attempts[0]
            assert attempt.tls.startswith("TLSv1.3")
            assert "hunter2" not in attempt.transcript
            assert "aHVudGVy" not in attempt.transcript
            again = here.post("bob@example.com")
            assert await here.final(again) == ["delivered"]
            assert peer.connections == 1

    run(test(), fast=True)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_stranger_s_certificate_is_refused_unless_told(authority: Authority, tls: str) -> None:
    async def test() -> None:
        script = secure(authority, implicit=tls == "implicit")
        async with Peer(script).listening() as peer:
            upstream = {"host": "localhost", "tls": tls}
            async with world(settings_for(peer.port, upstream=upstream)) as here:
                state, cause, reply = await first_answer(here)
                assert (state, cause) == ("deferred", "encryption")
                assert "the certificate was not accepted" in reply
                assert not any(c.startswith("MAIL") for c in peer.commands)
            async with world(
                settings_for(peer.port, upstream={**upstream, "verify": False})
            ) as here:
                sent = here.post("bob@example.com")
                assert await here.final(sent) == ["delivered"]
                assert "not verified" in here.settled(sent)[0].tls

    run(test(), fast=True)


def test_the_name_of_the_certificate_counts(authority: Authority) -> None:
    async def test() -> None:
        async with Peer(secure(authority)).listening() as peer:
            hosts = ({"name": "other.example", "address": f"127.0.0.1:{peer.port}"},)
            upstream = {"host": "other.example", "ca": str(authority.ca), "tls": "starttls"}
            async with world(settings_for(1, upstream=upstream, host=hosts)) as here:
                assert (await first_answer(here))[:2] == ("deferred", "encryption")

    run(test(), fast=True)


def test_static_hosts_come_before_dns(authority: Authority) -> None:
    async def test() -> None:
        async with Peer(secure(authority)).listening() as peer:
            hosts = ({"name": "peer.example", "address": f"127.0.0.1:{peer.port}"},)
            upstream = {"host": "peer.example", "ca": str(authority.ca), "tls": "starttls"}
            async with world(settings_for(1, upstream=upstream, host=hosts)) as here:
                assert await here.final(here.post("bob@example.com")) == ["delivered"]

    run(test(), fast=True)


def test_injected_answers_behind_starttls_end_it(authority: Authority) -> None:
    async def test() -> None:
        script = secure(authority)
        script.replies["STARTTLS"] = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"
        async with Peer(script).listening() as peer:
            upstream = {"host": "localhost", "tls": "starttls", "ca": str(authority.ca)}
            async with world(settings_for(peer.port, upstream=upstream)) as here:
                assert (await first_answer(here))[:2] == ("deferred", "protocol")
                assert not any("MAIL" in c for c in peer.commands)

    run(test(), fast=True)


@pytest.mark.parametrize("reply", [b"454 4.7.0 not now\r\n", b"501 no\r\n", b"421 bye\r\n!", b"!"])
def test_no_tls_no_mail(authority: Authority, reply: bytes) -> None:
    async def test() -> None:
        script = secure(authority, replies={"STARTTLS": reply})
        async with Peer(script).listening() as peer:
            upstream = {"host": "localhost", "tls": "starttls", "ca": str(authority.ca)}
            async with world(settings_for(peer.port, upstream=upstream)) as here:
                assert (await first_answer(here))[0] == "deferred"
                assert not any(c.startswith("MAIL") for c in peer.commands)

    run(test(), fast=True)


def test_a_silent_handshake_has_an_end(authority: Authority) -> None:
    async def test() -> None:
        async with Peer(Script(greeting=None)).listening() as peer:
            upstream = {"host": "localhost", "tls": "implicit", "ca": str(authority.ca)}
            delivery = {"connect_timeout": 0.1}
            settings = settings_for(peer.port, upstream=upstream, delivery=delivery)
            async with world(settings) as here:
                state, cause, reply = await first_answer(here)
                assert (state, cause) == ("deferred", "network")
                assert reply.startswith("TLS handshake: no answer in time")

    run(test(), fast=True)


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def test() -> None:
        upstream = {"host": "nowhere.invalid", "tls": "none"}
        async with world(settings_for(upstream=upstream)) as here:
            assert (await first_answer(here))[:2] == ("deferred", "dns")

    run(test())
