"""The own authority: what it makes is accepted by strict verification, and it is kept."""

from __future__ import annotations

import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509

from postwicket.net.authority import AuthorityBroken, ensure_authority
from postwicket.net.certificates import client_context, server_context

NOW = 1_790_000_000.0
DAY = 86_400


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Connect the two over memory; return the client's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    left = server.wrap_bio(to_server, to_client, server_side=True)
    right = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [right, left]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
    assert not waiting
    return right


def strict(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", ["mail.example.org", "localhost", "127.0.0.1", "::1", "mx.test"])
def test_its_certificate_passes_strict_verification(tmp_path: Path, name: str) -> None:
    made = ensure_authority(tmp_path, "Mail.Example.org", ["mx.test"])
    server = server_context(made.certificate, made.key)
    client = shake_hands(server, strict(made.ca), name)
    assert client.version() == "TLSv1.3"
    assert len(x509.load_pem_x509_certificates(made.certificate.read_bytes())) == 2


def test_a_name_that_was_not_asked_for_is_not_certified(tmp_path: Path) -> None:
    made = ensure_authority(tmp_path, "mail.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context(made.certificate, made.key), strict(made.ca), "other.test")


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    ensure_authority(tmp_path, "mail.example.org")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {
        "ca.pem": 0o644,
        "ca.key": 0o600,
        "server.pem": 0o644,
        "server.key": 0o600,
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    ensure_authority(tmp_path, "mail.example.org", clock=lambda: NOW)
    before = contents(tmp_path)
    ensure_authority(tmp_path, "mail.example.org", clock=lambda: NOW + 366 * DAY)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("hostname", "later"),
    [("mail.example.org", 368 * DAY), ("other.example.org", 0), ("mail.example.org", -2 * DAY)],
)
def test_the_certificate_is_renewed_by_the_same_authority(
    tmp_path: Path, hostname: str, later: float
) -> None:
    ensure_authority(tmp_path, "mail.example.org", clock=lambda: NOW)
    before = contents(tmp_path)
    made = ensure_authority(tmp_path, hostname, clock=lambda: NOW + later)
    after = contents(tmp_path)
    assert made.names[0] == hostname
    assert made.expires > NOW + later + 390 * DAY
    assert {name for name in after if after[name] != before[name]} == {"server.pem", "server.key"}


def test_a_broken_leaf_is_made_anew(tmp_path: Path) -> None:
    made = ensure_authority(tmp_path, "mail.example.org")
    made.key.write_bytes(b"nonsense")
    ensure_authority(tmp_path, "mail.example.org")
    server_context(made.certificate, made.key)


def test_an_authority_ends_with_a_new_one_in_time(tmp_path: Path) -> None:
    ensure_authority(tmp_path, "mail.example.org", clock=lambda: NOW)
    before = contents(tmp_path)
    made = ensure_authority(tmp_path, "mail.example.org", clock=lambda: NOW + 3625 * DAY)
    after = contents(tmp_path)
    assert all(before[name] != after[name] for name in before)
    assert made.expires > NOW + 4000 * DAY


@pytest.mark.parametrize("damage", ["missing", "garbage", "another"])
def test_a_trusted_authority_is_never_replaced_by_accident(tmp_path: Path, damage: str) -> None:
    ensure_authority(tmp_path, "mail.example.org")
    key = tmp_path / "ca.key"
    match damage:
        case "missing":
            key.unlink()
        case "garbage":
            key.write_bytes(b"x")
        case _:
            key.write_bytes((tmp_path / "server.key").read_bytes())
    with pytest.raises(AuthorityBroken, match="delete both files"):
        ensure_authority(tmp_path, "mail.example.org")


def test_a_long_and_an_international_name(tmp_path: Path) -> None:
    long = "a" * 60 + ".example.org"
    made = ensure_authority(tmp_path, long, ["bücher.example"])
    assert made.names[:2] == (long, "xn--bcher-kva.example")
    shake_hands(server_context(made.certificate, made.key), strict(made.ca), long)


def test_a_reader_beside_a_writer_never_sees_half_a_file(tmp_path: Path) -> None:
    ensure_authority(tmp_path, "mail.example.org")
    stop = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not stop.is_set():
            seen.append(
                len(x509.load_pem_x509_certificates((tmp_path / "server.pem").read_bytes()))
            )

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(5):
            ensure_authority(tmp_path, f"mail{number}.example.org")
    finally:
        stop.set()
        reader.join()
    assert set(seen) <= {2}


def test_its_ca_file_is_what_a_client_context_trusts(tmp_path: Path) -> None:
    made = ensure_authority(tmp_path, "mail.example.org")
    server = server_context(made.certificate, made.key)
    assert shake_hands(server, client_context(made.ca), "localhost").version() == "TLSv1.3"
