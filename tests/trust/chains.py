"""Certificate chains for tests: authorities, intermediates and servers, right and wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postwicket.trust.lookup import TlsaRecord

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
_DER = serialization.Encoding.DER


@dataclass(frozen=True)
class Made:
    """A certificate with its key; `above` are those that a server sends with it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(_DER)

    @property
    def spki(self) -> bytes:
        """Its public key."""
        return self.certificate.public_key().public_bytes(
            _DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What a server with it sends."""
        return (self.der, *(one.public_bytes(_DER) for one in self.above))

    def tlsa(self, usage: int, selector: int, matching: int) -> TlsaRecord:
        """Return a record that names it."""
        data = self.spki if selector else self.der
        if matching:
            data = (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).digest()
        return TlsaRecord(usage, selector, matching, data)

    def write(self, folder: Path, name: str = "server") -> tuple[Path, Path]:
        """Write the chain and the key; return where they are."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        pem = serialization.Encoding.PEM
        certificate.write_bytes(
            b"".join(one.public_bytes(pem) for one in (self.certificate, *self.above))
        )
        key.write_bytes(
            self.key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key


def make(
    name: str,
    issuer: Made | None = None,
    *,
    names: Sequence[str] = (),
    ca: bool = False,
    path_length: int | None = None,
    days: tuple[int, int] = (-1, 30),
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    send_root: bool = True,
) -> Made:
    """Make a certificate; without an issuer it signs itself.  `days` are its life, from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + days[0] * DAY)
        .not_valid_after(NOW + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        authority = issuer.key.public_key()
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority), critical=False
        )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternative, critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    above: tuple[x509.Certificate, ...] = ()
    if issuer is not None and (send_root or issuer.above):
        above = (issuer.certificate, *issuer.above)
    return Made(certificate, key, above)
