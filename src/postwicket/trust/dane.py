"""DANE for SMTP (RFC 7672): what an exchanger's TLSA records demand.

`consult` asks for them and says what they mean, which is never an exception.  Whether a
certificate fits is told by `trust.dane_match`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import Final

from .lookup import Lookup, Resolver, TlsaRecord, Verdict

DANE_TA: Final = 2
DANE_EE: Final = 3
CERTIFICATE: Final = 0  # selectors (RFC 6698, section 2.1.2)
PUBLIC_KEY: Final = 1
FULL: Final = 0  # matching types (section 2.1.3)
SHA_256: Final = 1
SHA_512: Final = 2
_LENGTHS: Final = {SHA_256: 32, SHA_512: 64}  # octets of a digest
# Digest agility (RFC 7671, section 9): of several digests only the strongest counts.
_STRENGTH: Final = {SHA_512: 2, SHA_256: 1}
MOST_RECORDS: Final = 50  # each costs a digest or a comparison


class DaneState(Enum):
    """What the records demand."""

    NONE = "no TLSA records"
    USABLE = "TLSA records that can be checked"
    UNUSABLE = "TLSA records of kinds that cannot be checked"
    FAILED = "the TLSA records could not be looked up"


@dataclass(frozen=True, slots=True)
class Dane:
    """What was found for one exchanger.

    `base` is the name under which the records are, which is also what the peer is told in the
    handshake (RFC 7672, section 2.2.3); `names` those that count for DANE-TA (section 3.2.2).
    `forged`: the look-up failed because of DNSSEC itself.  `until` is when to look again
    (seconds since 1970).
    """

    state: DaneState = DaneState.NONE
    base: str = ""
    names: tuple[str, ...] = ()
    records: tuple[TlsaRecord, ...] = ()
    why: str = ""
    forged: bool = False
    until: float = inf


NO_DANE: Final = Dane()


async def consult(
    resolver: Resolver, *, candidates: Sequence[str], port: int, also: Sequence[str] = ()
) -> Dane:
    """Return what the TLSA records of an exchanger demand.

    Call it only where the exchanger's address records are secure.  `candidates` are its names,
    the canonical one first (RFC 7672, section 2.2.2: the first that has secure records is the
    base); `also` are the next-hop domain's names, which a DANE-TA certificate may carry instead.
    """
    until = inf
    for base in dict.fromkeys(candidates):
        found = await resolver.tlsa(f"_{port}._tcp.{base}")
        until = min(until, found.until)
        if found.found and found.secure:
            return replace(read(found, base, also), until=until)
        if not (found.found or found.missing):
            # RFC 7672, section 2.1.2: an attacker can break look-ups, so no answer is no licence.
            forged = found.verdict is Verdict.BOGUS
            return Dane(DaneState.FAILED, base, why=str(found), forged=forged)
    return Dane(until=until)


def read(found: Lookup[TlsaRecord], base: str, also: Sequence[str] = ()) -> Dane:
    """Return what secure records mean."""
    records = usable(found.records)
    if not records:
        kinds = ", ".join(_kind(record) for record in found.records[:5])
        why = f"none of the TLSA records of {base} can be checked ({kinds})"
        return Dane(DaneState.UNUSABLE, base, records=found.records[:MOST_RECORDS], why=why)
    return Dane(DaneState.USABLE, base, tuple(dict.fromkeys((base, *also))), records)


def usable(records: Sequence[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """Return the records that count: of kinds we know, and of digests only the strongest.

    Usages 0 and 1 are not for SMTP (RFC 7672, section 3.1.3).  The digest that counts is chosen
    for each usage and selector (RFC 7671, section 9); whole certificates and keys always count.
    """
    known = [record for record in records[:MOST_RECORDS] if _is_known(record)]
    best: dict[tuple[int, int], int] = {}
    for record in known:
        kind = (record.usage, record.selector)
        best[kind] = max(best.get(kind, 0), _STRENGTH.get(record.matching, 0))
    return tuple(
        record
        for record in known
        if record.matching == FULL
        or _STRENGTH[record.matching] == best[record.usage, record.selector]
    )


def _is_known(record: TlsaRecord) -> bool:
    if record.usage not in {DANE_TA, DANE_EE} or record.selector not in {CERTIFICATE, PUBLIC_KEY}:
        return False
    if record.matching == FULL:
        return bool(record.data)
    return len(record.data) == _LENGTHS.get(record.matching)


def _kind(record: TlsaRecord) -> str:
    return f"{record.usage} {record.selector} {record.matching}"


def spelled(record: TlsaRecord) -> str:
    """Return a record as zone files and TLS reports write it.

    >>> spelled(TlsaRecord(3, 1, 1, bytes.fromhex("ab")))
    '3 1 1 AB'
    """
    return f"{_kind(record)} {record.data.hex().upper()}"
