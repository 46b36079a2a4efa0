"""TLSA records (RFC 6698) made from a certificate file, to be published in a zone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def end_entity(certificate: Path) -> str:
    """Return `3 1 1`: the SHA-256 of the server's own public key, as nearly everybody does."""
    key = _first(certificate).public_key()
    found = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(found).hexdigest()}"


def trust_anchor(authority: Path, *, hashed: bool = True) -> str:
    """Return `2 0 1`, the SHA-256 of the authority's certificate, or `2 0 0`, all of it."""
    found = _first(authority).public_bytes(Encoding.DER)
    return f"2 0 1 {hashlib.sha256(found).hexdigest()}" if hashed else f"2 0 0 {found.hex()}"


def _first(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(file.read_bytes())[0]
