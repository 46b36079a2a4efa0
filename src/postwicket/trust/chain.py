"""Certificate chains by hand: who signed whom (RFC 5280), for authorities that DNS names.

OpenSSL decides during the handshake by the authorities it was given before; which authority
counts for DANE-TA is known only from the chain itself.  So this walks it, strictly: every issuer
has to be an authority, and a critical extension that is not known here ends the path.  Pure and
bounded; whatever cannot be read does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

LONGEST_PATH: Final = 8  # certificates
MOST_CHECKS: Final = 40  # signatures verified for one chain; each costs some 50 us
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CERTIFICATE_POLICIES,  # only informs, without policy constraints
    }
)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate, read to its end: the library reads lazily, and raises when it does.

    `life` is first and last second since 1970; `room` is how many authorities may stand below
    it, -1 for none: then it is no authority itself.
    """

    der: bytes
    certificate: x509.Certificate
    name: x509.Name
    issuer: x509.Name
    names: tuple[str, ...]
    life: tuple[float, float]
    room: int

    @property
    def subject(self) -> str:
        """What people call it."""
        return self.name.rfc4514_string()[:200] or "a certificate without a name"

    def valid_at(self, now: float) -> bool:
        """Say whether the dates are right; `now` is in seconds since 1970."""
        return self.life[0] <= now <= self.life[1]


def link(der: bytes) -> Link | None:
    """Read a certificate; None when it cannot be read, or must not be used for TLS servers."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        for extension in extensions:
            if extension.critical and extension.oid not in _UNDERSTOOD:
                return None
        if not _serves(extensions):
            return None
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return Link(
            der=der,
            certificate=certificate,
            name=certificate.subject,
            issuer=certificate.issuer,
            names=_dns_names(certificate),
            life=(begin.timestamp(), end.timestamp()),
            room=_room(extensions),
        )
    except Exception:  # noqa: BLE001 - whatever a stranger's certificate does to the parser
        return None


def paths(leaf: Link, pool: Sequence[Link]) -> Iterator[tuple[Link, ...]]:
    """Yield every way up from a leaf through issuers in the pool, the leaf alone first."""
    checks = MOST_CHECKS
    waiting: list[tuple[Link, ...]] = [(leaf,)]
    while waiting:
        path = waiting.pop()
        yield path
        if len(path) >= LONGEST_PATH:
            continue
        for issuer in pool:
            if issuer in path or issuer.room < len(path) - 1:
                continue
            if issuer.name != path[-1].issuer:
                continue
            if checks <= 0:
                return
            checks -= 1
            if _issued(path[-1], issuer):
                waiting.append((*path, issuer))


def signed_by(member: Link, key: bytes) -> bool:
    """Say whether a certificate is signed with a key (SubjectPublicKeyInfo in DER)."""
    certificate = member.certificate
    try:
        public = load_der_public_key(key)
        parameters = certificate.signature_algorithm_parameters
        signature, signed = certificate.signature, certificate.tbs_certificate_bytes
        digest = certificate.signature_hash_algorithm
        if isinstance(public, rsa.RSAPublicKey) and digest is not None:
            if not isinstance(parameters, padding.PKCS1v15 | padding.PSS):
                return False
            public.verify(signature, signed, parameters, digest)
        elif isinstance(public, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
            public.verify(signature, signed, parameters)
        elif isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            public.verify(signature, signed)
        else:
            return False
    except InvalidSignature:
        return False
    except Exception:  # noqa: BLE001 - as in `link`
        return False
    return True


def public_key_of(der: bytes) -> bytes | None:
    """Return a certificate's SubjectPublicKeyInfo, octet for octet; None when there is none.

    Read by hand, because the digest is over what was sent and not over what a library makes of it.
    """
    certificate = _element(der, 0)
    if certificate is None or der[0] != _SEQUENCE:
        return None
    tbs = _element(der, certificate[0])
    if tbs is None or der[certificate[0]] != _SEQUENCE:
        return None
    place, end = tbs
    # [0] version (optional), then serial number, signature, issuer, validity, subject.
    skip = 6 if place < end and der[place] == _VERSION else 5
    for _ in range(skip):
        element = _element(der, place)
        if element is None or element[1] > end:
            return None
        place = element[1]
    key = _element(der, place)
    if key is None or key[1] > end or der[place] != _SEQUENCE:
        return None
    return der[place : key[1]]


def _element(der: bytes, place: int) -> tuple[int, int] | None:
    """Return where the content of a DER element begins and ends, or None."""
    if place + 2 > len(der):
        return None
    length, begin = der[place + 1], place + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or begin + count > len(der):
            return None
        length = int.from_bytes(der[begin : begin + count], "big")
        begin += count
    return (begin, begin + length) if begin + length <= len(der) else None


def _issued(member: Link, issuer: Link) -> bool:
    try:
        member.certificate.verify_directly_issued_by(issuer.certificate)
    except Exception:  # noqa: BLE001 - a bad signature, a strange key: it was not issued by it
        return False
    return True


def _serves(extensions: x509.Extensions) -> bool:
    """Say whether the extended key usage lets it stand in a TLS server's chain."""
    try:
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return not allowed.isdisjoint(usage)


def _room(extensions: x509.Extensions) -> int:
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return -1
    if not constraints.ca:
        return -1
    try:
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            return -1
    except x509.ExtensionNotFound:
        pass
    return LONGEST_PATH if constraints.path_length is None else constraints.path_length


def _dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names; the common name counts where there are none (RFC 7672, 3.2.3)."""
    try:
        alternative = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
        names = tuple(alternative.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        names = ()
    if names:
        return names
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(str(attribute.value) for attribute in common)
