"""A certificate authority for tests, and certificates for this machine that it signs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class TestAuthority:
    """An authority of its own; `ca` is what clients have to trust."""

    __test__ = False

    def __init__(self, folder: Path, *, name: str = "Test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca = folder / "test-ca.pem"
        self.ca.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def pair(self, name: str, *hosts: str, chain: bool = False, ended: bool = False) -> Pair:
        """Return a new certificate; `name` is its common name and that of its files.

        It is for the hosts (names or IP addresses), without any for localhost and 127.0.0.1.
        With `chain` the authority's own certificate stands behind it, as DANE-TA wants it; one
        that `ended` was good until an hour ago.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [_general(host) for host in hosts or ("localhost", "127.0.0.1")]
        builder = _builder(subject, self._name, key, ended=ended)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pem = _pem(builder.sign(self._key, hashes.SHA256()))
        made.certificate.write_bytes(pem + (self.ca.read_bytes() if chain else b""))
        made.key.touch(mode=0o600)
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    ended: bool = False,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=2, hours=1) * ended
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
