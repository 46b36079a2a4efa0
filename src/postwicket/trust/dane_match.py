"""Whether a certificate chain fits TLSA records (RFC 7671, RFC 7672): pure, bounded, never raises.

DANE-EE(3) names the exchanger's own certificate or key, and neither names nor dates count
(RFC 7672, section 3.1.1).  DANE-TA(2) names an authority: the chain has to lead to it, name and
dates have to be right (section 3.1.2).  The authority is in the chain, or whole in DNS: a full
certificate (2 0 0) or a full key (2 1 0) need not be sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from postwicket.core.tls_verdict import TlsVerdict

from .chain import Link, link, paths, public_key_of, signed_by
from .dane import CERTIFICATE, DANE_EE, DANE_TA, FULL, PUBLIC_KEY, SHA_256
from .lookup import TlsaRecord
from .names import covered

MOST_CERTIFICATES: Final = 10  # of a peer's chain; nobody has more than five


@dataclass(frozen=True, slots=True)
class Fits:
    """The chain is what the record says."""

    record: TlsaRecord

    @property
    def because(self) -> str:
        """Why the peer is trusted, in words."""
        record = self.record
        return f"verified by DANE ({record.usage} {record.selector} {record.matching})"


@dataclass(frozen=True, slots=True)
class Misfit:
    """The chain is not what the records say."""

    verdict: TlsVerdict
    why: str


def match(
    chain: Sequence[bytes], records: Sequence[TlsaRecord], names: Sequence[str], now: float
) -> Fits | Misfit:
    """Compare a chain (DER, as it was sent) with usable records.

    `names` are the reference identities of DANE-TA, `now` is in seconds since 1970.
    """
    if not chain:
        return Misfit(TlsVerdict.FAILED, "the peer showed no certificate")
    for record in records:
        if record.usage == DANE_EE and _is(chain[0], record):
            return Fits(record)
    authorities = [record for record in records if record.usage == DANE_TA]
    if not authorities:
        return Misfit(TlsVerdict.FAILED, "the certificate is none that the TLSA records name")
    return _match_authority(chain[:MOST_CERTIFICATES], authorities, names, now)


def _match_authority(
    chain: Sequence[bytes], records: Sequence[TlsaRecord], names: Sequence[str], now: float
) -> Fits | Misfit:
    leaf = link(chain[0])
    if leaf is None:
        return Misfit(TlsVerdict.FAILED, "the certificate cannot be read")
    found = _anchored(leaf, chain[1:], records)
    if found is None:
        why = "the chain does not lead to an authority that the TLSA records name"
        return Misfit(TlsVerdict.NOT_TRUSTED, why)
    record, path = found
    for member in path:
        if not member.valid_at(now):
            return Misfit(TlsVerdict.EXPIRED, f"{member.subject} is not valid at this time")
    if not covered(leaf.names, names):
        held = ", ".join(leaf.names[:5]) or "no name"
        return Misfit(
            TlsVerdict.HOST_MISMATCH, f"the certificate is for {held}, not {', '.join(names)}"
        )
    return Fits(record)


def _anchored(
    leaf: Link, sent: Sequence[bytes], records: Sequence[TlsaRecord]
) -> tuple[TlsaRecord, tuple[Link, ...]] | None:
    """Return the record whose authority the leaf leads to, and the path to it."""
    whole = [r.data for r in records if (r.selector, r.matching) == (CERTIFICATE, FULL)]
    keys = [r for r in records if (r.selector, r.matching) == (PUBLIC_KEY, FULL)]
    pool = [known for der in (*sent, *whole) if (known := link(der)) is not None]
    for path in paths(leaf, pool):
        top = path[-1]
        if len(path) > 1:  # the leaf itself is no authority
            for record in records:
                if _is(top.der, record):
                    return record, path
        for record in keys:
            if signed_by(top, record.data):
                return record, path
    return None


def _is(der: bytes, record: TlsaRecord) -> bool:
    """Say whether a record names this certificate (RFC 6698, section 2.1)."""
    selected = der if record.selector == CERTIFICATE else public_key_of(der)
    if selected is None:
        return False
    if record.matching == FULL:
        return selected == record.data
    digest = hashlib.sha256 if record.matching == SHA_256 else hashlib.sha512
    return digest(selected).digest() == record.data
