"""Every no explains itself: wrong ports, old TLS, people who were stopped, limits, a full disk."""

from __future__ import annotations

import base64
import contextlib
import smtplib
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from .conftest import Serve
from .disk import small_disk
from .server import HOST, PATIENCE, Postwicket, SignIn
from .talk import MAIL, plain, send, session, trusting, until_end

LIMIT: Final = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postwicket]:
    """Serve everybody who comes to the wrong counter; one short silence is enough for tests."""
    server = Postwicket(
        tmp_path_factory.mktemp("refusals"), settings="[session]\ngreeting_wait = 0.3\n"
    )
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.end()


@pytest.fixture(scope="module")
def ann(server: Postwicket) -> SignIn:
    """Return somebody who may send."""
    return server.account("ann@example.org")


# --- the wrong port ---------------------------------------------------------------------------


def test_a_client_that_starts_tls_at_once_on_the_starttls_port_is_served(
    server: Postwicket, ann: SignIn
) -> None:
    port = server.port("starttls")
    with smtplib.SMTP_SSL(HOST, port, timeout=PATIENCE, context=trusting(server)) as smtp:
        smtp.login(ann.user, ann.password)
        assert send(smtp)[0] == 250
    found = server.wait_for("finding", rule="tls.implicit-on-starttls-port")
    assert found["cause"] == "encryption"
    assert "STARTTLS" in found["fix"]


@pytest.mark.parametrize("first", [b"", b"EHLO laptop.example.org\r\n"], ids=["waits", "speaks"])
def test_a_client_in_the_clear_on_the_tls_port_hears_where_to_go(
    server: Postwicket, first: bytes
) -> None:
    with plain(server.port("implicit"), first=first) as client:
        said = until_end(client)
    assert said.startswith(b"421 4.7.0 ")
    assert said.count(b"\n") == 1
    assert f"STARTTLS on port {server.port('starttls')}".encode() in said
    found = server.wait_for("finding", rule="tls.plain-on-implicit-port")
    assert found["listener"] == "submission 127.0.0.1:0"
    assert "implicit TLS" in found["fix"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_client_of_another_age_is_refused_and_the_reason_is_known(
    server: Postwicket, tls: str
) -> None:
    old = trusting(server)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):  # Python thinks as we do
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with plain(server.port(tls)) as client:
        if tls == "starttls":
            client.recv(512)
            client.sendall(b"STARTTLS\r\n")
            client.recv(512)
        with pytest.raises(ssl.SSLError, match=r"(?i)version"):
            old.wrap_socket(client, server_hostname=HOST)
    # The same client with the same fault is one finding a minute.
    assert "TLS 1.2" in server.wait_for("finding", rule="tls.handshake")["fix"]


def test_nothing_secret_is_taken_in_the_clear(server: Postwicket, ann: SignIn) -> None:
    claim = base64.b64encode(f"\0{ann.user}\0{ann.password}".encode()).decode()
    with smtplib.SMTP(HOST, server.port("starttls"), timeout=PATIENCE) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        code, words = smtp.docmd("AUTH", f"PLAIN {claim}")
        assert (code, words[:5]) == (530, b"5.7.0")
        assert smtp.mail(ann.user)[0] == 530
    assert ann.password not in server.log_text()
    assert claim not in server.log_text()


# --- people who are stopped -------------------------------------------------------------------


def test_a_suspended_account_is_stopped_in_the_middle_of_its_session(server: Postwicket) -> None:
    eve = server.account("eve@example.org")
    with session(server, eve) as smtp, session(server, eve) as other:
        assert smtp.docmd("NOOP")[0] == 250
        server.ask("account", "suspend", eve.user)
        assert smtp.mail(eve.user)[0] == 421
        assert other.docmd("NOOP")[0] == 421
        assert smtp.sock is None or smtp.sock.recv(1) == b""
    assert _refused_sign_in(server, eve)[0] == 535
    server.ask("account", "resume", eve.user)
    with session(server, eve) as smtp:
        assert smtp.mail(eve.user)[0] == 250


def test_a_revoked_app_password_is_stopped_and_the_others_go_on(server: Postwicket) -> None:
    laptop = server.account("dan@example.org", label="laptop")
    phone = server.app_password(laptop.user, label="phone")
    with session(server, laptop) as lost, session(server, phone) as kept:
        server.ask("app-password", "revoke", laptop.user, str(laptop.id))
        assert lost.mail(laptop.user)[0] == 421
        assert kept.mail(phone.user)[0] == 250
    assert _refused_sign_in(server, laptop)[0] == 535
    passwords = server.ask("app-password", "list", laptop.user)
    assert [one["revoked"] is None for one in passwords] == [False, True]


def _refused_sign_in(server: Postwicket, who: SignIn) -> tuple[int, bytes]:
    with session(server, None) as smtp:
        smtp.ehlo()
        try:
            smtp.login(who.user, who.password)
        except smtplib.SMTPAuthenticationError as error:
            words = error.smtp_error
            return error.smtp_code, words if isinstance(words, bytes) else words.encode()
    raise AssertionError("the password still opens")


# --- limits -----------------------------------------------------------------------------------


def test_a_daily_limit_is_exact_whoever_asks_and_survives_a_restart(serve: Serve) -> None:
    server = serve(settings=f"[limits]\nmessages_per_day = {LIMIT}\n", workers=2)
    ann = server.account("ann@example.org")
    answers: Counter[str] = Counter()
    start = threading.Barrier(8)

    def client() -> None:
        with session(server, ann) as smtp:
            start.wait(PATIENCE)
            for _ in range(10):
                code, words = send(smtp)
                answers[f"{code} {words[:5]}"] += 1

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == {"250 2.0.0": LIMIT, "550 5.4.5": 80 - LIMIT}
    assert len(server.inbox()) == LIMIT
    server.stop()
    server.start()
    with session(server, ann) as smtp:
        code, words = send(smtp)
    assert (code, words[:5]) == (550, "5.4.5")
    server.stop()


def test_a_full_disk_is_no_end(serve: Serve, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="12m") as disk:
        server = serve(data=disk / "data")
        ann = server.account("ann@example.org")
        ballast = disk / "ballast"
        with session(server, ann) as smtp:
            assert send(smtp)[0] == 250
            _fill(ballast)
            large = MAIL + b"0123456789abcde\r\n" * 60_000
            code, words = send(smtp, content=large)
            assert (code, words[:5]) == (452, "4.3.1")
            taken, refused = 1, 0
            for _ in range(400):  # what SQLite has already written leaves room for a few
                code, words = send(smtp, content=MAIL + b"x" * 900 + b"\r\n")
                taken += code == 250
                if code != 250:
                    assert (code, words[:5]) == (452, "4.3.1")
                    refused += 1
                if refused == 3:
                    break
            assert refused == 3
            ballast.unlink()
            assert send(smtp, content=large)[0] == 250
            assert send(smtp)[0] == 250
            taken += 2
        assert len(server.inbox()) == taken
        server.stop()


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while out.write(bytes(4096)):
            pass
