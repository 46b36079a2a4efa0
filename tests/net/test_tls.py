"""Our TLS layer: both ends in memory, and what can go wrong between them."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postwicket.core.tls_verdict import TlsVerdict
from postwicket.net.authority import Authority, ensure_authority
from postwicket.net.certificates import client_context, server_context
from postwicket.net.tls import TlsFailed, TlsLayer


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("tls"), "mail.example.org")


def ends(own: Authority, name: str = "mail.example.org") -> tuple[TlsLayer, TlsLayer]:
    server = TlsLayer(server_context(own.certificate, own.key), server_side=True)
    client = TlsLayer(client_context(own.ca), server_side=False, server_hostname=name)
    client.start()
    return server, client


def exchange(server: TlsLayer, client: TlsLayer) -> tuple[bytes, bytes]:
    """Carry bytes until nobody has any; return what each heard."""
    heard = {server: b"", client: b""}
    moved = True
    while moved:
        moved = False
        for source, target in ((client, server), (server, client)):
            data = source.data_to_send()
            if data:
                moved = True
                heard[target] += target.receive(data)
    return heard[server], heard[client]


def test_what_is_said_before_the_handshake_waits_for_it(own: Authority) -> None:
    server, client = ends(own)
    client.send(b"EHLO client\r\n")
    server.send(b"220 ready\r\n")
    assert exchange(server, client) == (b"EHLO client\r\n", b"220 ready\r\n")
    assert server.secure
    assert client.secure
    assert server.version == "TLSv1.3"
    assert server.description.startswith("TLSv1.3 TLS_")
    assert server.bits >= 128
    assert client.peer_certificate


def test_a_large_message_both_ways(own: Authority) -> None:
    server, client = ends(own)
    data = bytes(range(256)) * 4096
    client.send(data)
    server.send(data)
    assert exchange(server, client) == (data, data)


def test_a_clean_end_is_told_from_a_cut(own: Authority) -> None:
    server, client = ends(own)
    exchange(server, client)
    assert not server.ended
    client.close()
    exchange(server, client)
    assert server.ended


def test_a_wrong_name_is_refused_by_the_client(own: Authority) -> None:
    server, client = ends(own, "other.example.org")
    with pytest.raises(TlsFailed, match=r"[Hh]ostname mismatch") as failed:
        exchange(server, client)
    assert failed.value.reason == "certificate verify failed"
    assert client.data_to_send()  # the alert that tells the server


def test_plain_words_are_no_handshake(own: Authority) -> None:
    server, _ = ends(own)
    with pytest.raises(TlsFailed):
        server.receive(b"EHLO client.example.org\r\n")


def test_an_old_version_is_refused(own: Authority) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    old = TlsLayer(context, server_side=False, server_hostname="mail.example.org")
    old.start()
    server, _ = ends(own)
    with pytest.raises(TlsFailed) as failed:
        server.receive(old.data_to_send())
    assert failed.value.reason == "unsupported protocol"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.binary(max_size=500))
def test_no_bytes_raise_anything_else(own: Authority, data: bytes) -> None:
    server, _ = ends(own)
    with contextlib.suppress(TlsFailed):
        assert server.receive(data) == b""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(at=st.integers(0, 200), flip=st.integers(1, 255))
def test_a_changed_record_is_found(own: Authority, at: int, flip: int) -> None:
    server, client = ends(own)
    exchange(server, client)
    client.send(b"MAIL FROM:<ann@example.org>\r\n" * 10)
    record = bytearray(client.data_to_send())
    record[at] ^= flip
    try:
        heard = server.receive(bytes(record))
    except TlsFailed:
        return
    assert heard == b""  # a changed length only makes it wait


def test_a_name_that_is_none(own: Authority) -> None:
    with pytest.raises((TlsFailed, ValueError)):
        ends(own, ".bad..name")


def test_the_chain_that_the_peer_sent(own: Authority) -> None:
    server, client = ends(own)
    exchange(server, client)
    certificates = x509.load_pem_x509_certificates(own.certificate.read_bytes())
    sent = tuple(one.public_bytes(serialization.Encoding.DER) for one in certificates)
    assert len(sent) == 2
    assert client.peer_chain == sent
    assert client.peer_certificate == sent[0]
    assert server.peer_chain == ()


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("other.example.org", TlsVerdict.HOST_MISMATCH),
        ("192.0.2.1", TlsVerdict.HOST_MISMATCH),
        ("mail.example.org", TlsVerdict.NOT_TRUSTED),
    ],
)
def test_what_a_report_calls_a_distrusted_certificate(
    own: Authority, tmp_path_factory: pytest.TempPathFactory, name: str, verdict: TlsVerdict
) -> None:
    trusted = own.ca
    if verdict is TlsVerdict.NOT_TRUSTED:
        trusted = ensure_authority(tmp_path_factory.mktemp("other"), "mail.example.org").ca
    server = TlsLayer(server_context(own.certificate, own.key), server_side=True)
    client = TlsLayer(client_context(trusted), server_side=False, server_hostname=name)
    client.start()
    with pytest.raises(TlsFailed) as failed:
        exchange(server, client)
    assert failed.value.verdict is verdict
    assert failed.value.distrusted
