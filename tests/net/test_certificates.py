"""The TLS policy, and certificates that change under a running server."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import (
    CHECK_EVERY,
    Certificates,
    CertificateUnusable,
    client_context,
    server_context,
)

from .test_authority import shake_hands


@pytest.fixture
def made(tmp_path: Path) -> Authority:
    return ensure_authority(tmp_path, "mail.example.org")


class Ticker:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


def test_only_forward_secret_authenticated_suites(made: Authority) -> None:
    context = server_context(made.certificate, made.key)
    suites = context.get_ciphers()
    assert {suite["protocol"] for suite in suites} == {"TLSv1.2", "TLSv1.3"}
    assert all(suite["aead"] for suite in suites)
    assert all(
        suite["name"].startswith("ECDHE-") for suite in suites if suite["protocol"] == "TLSv1.2"
    )
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert not context.options & getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


def test_tls_1_1_is_refused(made: Authority) -> None:
    client = client_context(made.ca)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake_hands(server_context(made.certificate, made.key), client, "localhost")


def test_tls_1_2_is_served(made: Authority) -> None:
    client = client_context(made.ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    session = shake_hands(server_context(made.certificate, made.key), client, "localhost")
    assert session.version() == "TLSv1.2"


@pytest.mark.parametrize(("offered", "chosen"), [(["smtp"], "smtp"), (["h2", "smtp"], "smtp")])
def test_alpn_smtp_is_accepted(made: Authority, offered: list[str], chosen: str) -> None:
    client = client_context(made.ca)
    client.set_alpn_protocols(offered)
    session = shake_hands(server_context(made.certificate, made.key), client, "localhost")
    assert session.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("tickets", [0, 2])
def test_tickets_are_a_setting(made: Authority, tickets: int) -> None:
    context = server_context(made.certificate, made.key, tickets=tickets)
    assert context.num_tickets == tickets
    assert bool(context.options & ssl.OP_NO_TICKET) is (tickets == 0)


def test_upstreams_are_verified_unless_told_otherwise(made: Authority, tmp_path: Path) -> None:
    server = server_context(made.certificate, made.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client_context(None), "localhost")
    shake_hands(server, client_context(None, verify=False), "anything.test")
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(made.certificate.read_bytes().split(b"-----END")[0] + b"-----END CERTIFICATE")
    leaf.write_bytes(leaf.read_bytes() + b"-----\n")
    shake_hands(server, client_context(leaf), "localhost")


def test_a_missing_or_foreign_file_is_explained(made: Authority, tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match=r"nowhere\.pem cannot be read: No such file"):
        server_context(tmp_path / "nowhere.pem", made.key)
    with pytest.raises(CertificateUnusable, match="key values mismatch"):
        server_context(made.certificate, tmp_path / "ca.key")
    with pytest.raises(CertificateUnusable, match=r"nowhere\.pem cannot be read"):
        client_context(tmp_path / "nowhere.pem")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(CertificateUnusable, match=r"empty\.pem cannot be used"):
        client_context(tmp_path / "empty.pem")


def test_a_key_with_a_passphrase_does_not_stop_the_server(made: Authority) -> None:
    key = serialization.load_pem_private_key(made.key.read_bytes(), password=None)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(CertificateUnusable, match="passphrase"):
        server_context(made.certificate, made.key)


def test_a_new_certificate_is_taken_without_a_restart(made: Authority, tmp_path: Path) -> None:
    ticker, said = Ticker(), list[str]()
    watched = Certificates(made.certificate, made.key, clock=ticker, report=said.append)
    first = watched.context()
    ensure_authority(tmp_path, "new.example.org")
    ticker.now = CHECK_EVERY - 0.1
    assert watched.context() is first
    ticker.now = CHECK_EVERY
    second = watched.context()
    assert second is not first
    shake_hands(second, client_context(made.ca), "new.example.org")
    assert said == [f"{made.certificate} changed; new connections get the new certificate"]
    ticker.now *= 2
    assert watched.context() is second


def test_a_broken_new_pair_is_reported_once_and_the_old_one_stays(
    made: Authority, tmp_path: Path
) -> None:
    ticker, said = Ticker(), list[str]()
    watched = Certificates(made.certificate, made.key, clock=ticker, report=said.append)
    first = watched.context()
    good = tmp_path / "good.key"
    shutil.copy(made.key, good)
    made.key.write_bytes(b"nonsense")
    for _ in range(3):
        ticker.now += CHECK_EVERY
        assert watched.context() is first
    assert len(said) == 1
    assert "stays in use" in said[0]
    made.key.unlink()
    ticker.now += CHECK_EVERY
    assert watched.context() is first
    os.replace(good, made.key)  # noqa: PTH105 - the way a renewal does it
    ticker.now += CHECK_EVERY
    assert watched.context() is not first
    assert len(said) == 3
