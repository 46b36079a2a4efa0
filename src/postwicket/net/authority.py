"""Our own certificate authority, for servers to which nobody gave a certificate.

`ensure_authority(data, hostname)` leaves four files in the data folder: `ca.pem` (what clients
are told to trust), `ca.key`, `server.pem` (the server's certificate and the authority's) and
`server.key`.  The authority is made once and kept; the server's certificate is made anew 30
days before it ends, or when its names change.  Keys are readable by their owner only, and
every file appears whole or not at all.

It refuses to replace an authority that clients may already trust: a `ca.pem` whose key is
gone or does not fit is an error that says so.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import idna
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from postwicket.core.clock import Clock

AUTHORITY_LIFE: Final = timedelta(days=3650)
LEAF_LIFE: Final = timedelta(days=397)  # the most that browsers and Apple's mail clients accept
RENEW_BEFORE: Final = timedelta(days=30)
CLOCK_SKEW: Final = timedelta(hours=1)  # a client whose clock is slow must not refuse us
LONGEST_COMMON_NAME: Final = 64  # RFC 5280, appendix A.1, ub-common-name
ALWAYS: Final = ("localhost", "127.0.0.1", "::1")


class AuthorityBroken(Exception):
    """The files of the authority contradict each other; says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Where the files are; `names` are those that the server's certificate is good for."""

    ca: Path
    certificate: Path
    key: Path
    names: tuple[str, ...]
    expires: float


def ensure_authority(
    data: Path, hostname: str, extra_names: Iterable[str] = (), *, clock: Clock = time.time
) -> Authority:
    """Make what is missing, renew what ends soon, and return where it is.

    Raises `AuthorityBroken` or `OSError`.  Cheap when there is nothing to do.
    """
    now = datetime.fromtimestamp(clock(), UTC)
    names = _names(hostname, extra_names)
    ca_certificate, ca_key = _authority(data, hostname, now)
    leaf = _usable_leaf(data, names, ca_certificate, now)
    if leaf is None:
        leaf = _make_leaf(data, names, ca_certificate, ca_key, now)
    return Authority(
        ca=data / "ca.pem",
        certificate=data / "server.pem",
        key=data / "server.key",
        names=names,
        expires=leaf.not_valid_after_utc.timestamp(),
    )


def _names(hostname: str, extra_names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without repetition, in the form that a certificate carries."""
    return tuple(dict.fromkeys(_wire_name(name) for name in (hostname, *extra_names, *ALWAYS)))


def _wire_name(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        bare = name.rstrip(".").lower()
        return bare if bare.isascii() else idna.encode(bare, uts46=True).decode("ascii")


# --- the authority ------------------------------------------------------------------------


def _authority(
    data: Path, hostname: str, now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = data / "ca.pem", data / "ca.key"
    if certificate_file.exists():
        certificate = _first_certificate(certificate_file)
        key = _key(key_file)
        if certificate is None or key is None or not _belong(certificate, key):
            raise AuthorityBroken(
                f"{key_file} is missing or does not fit {certificate_file}; restore the pair"
                " from a backup, or delete both files to make a new authority, which every"
                " client has to be told to trust"
            )
        if certificate.not_valid_after_utc - RENEW_BEFORE > now:
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    # Its own number keeps two authorities of one host apart in a client's store.
    label = f"Postwicket {hostname}"[: LONGEST_COMMON_NAME - 9]
    name = _common_name(f"{label} {secrets.token_hex(4)}")
    certificate = _sign(
        subject=name,
        issuer=name,
        public=key.public_key(),
        signer=key,
        span=(now - CLOCK_SKEW, now + AUTHORITY_LIFE),
        extensions=_authority_extensions(key),
    )
    # The key goes first: without a certificate it is not an authority yet.
    _write(key_file, _key_pem(key), mode=0o600)
    _write(certificate_file, _pem(certificate), mode=0o644)
    return certificate, key


def _authority_extensions(
    key: ec.EllipticCurvePrivateKey,
) -> list[tuple[x509.ExtensionType, bool]]:
    public = key.public_key()
    return [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_usage(signs_certificates=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ]


# --- the server's certificate -------------------------------------------------------------


def _usable_leaf(
    data: Path, names: tuple[str, ...], ca: x509.Certificate, now: datetime
) -> x509.Certificate | None:
    """Return the certificate that is there, or None when it has to be made anew."""
    leaf = _first_certificate(data / "server.pem")
    key = _key(data / "server.key")
    if leaf is None or key is None or not _belong(leaf, key):
        return None
    try:
        leaf.verify_directly_issued_by(ca)
        held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is to be made anew
        return None
    if {str(name.value) for name in held} != set(names):
        return None
    timely = leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc - RENEW_BEFORE
    return leaf if timely else None


def _make_leaf(
    data: Path,
    names: tuple[str, ...],
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    leaf = _sign(
        subject=_common_name(names[0] if len(names[0]) <= LONGEST_COMMON_NAME else "Postwicket"),
        issuer=ca.subject,
        public=public,
        signer=ca_key,
        span=(now - CLOCK_SKEW, min(now + LEAF_LIFE - CLOCK_SKEW, ca.not_valid_after_utc)),
        extensions=[
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False),
        ],
    )
    # Between the two writes the pair does not fit; a server that looks then keeps its old one.
    _write(data / "server.key", _key_pem(key), mode=0o600)
    _write(data / "server.pem", _pem(leaf) + _pem(ca), mode=0o644)
    return leaf


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


# --- pieces -------------------------------------------------------------------------------


def _sign(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    span: tuple[datetime, datetime],
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(span[0])
        .not_valid_after(span[1])
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _belong(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    return certificate.public_key() == key.public_key()


def _first_certificate(file: Path) -> x509.Certificate | None:
    """Return the first certificate in the file, or None when there is none to be read."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (FileNotFoundError, ValueError):
        return None


def _key(file: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _write(file: Path, content: bytes, *, mode: int) -> None:
    """Put the content in place whole: synced, then renamed over what was there."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
