"""Chains that fit TLSA records, and chains that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from postwicket.core.tls_verdict import TlsVerdict
from postwicket.trust.chain import LONGEST_PATH, link, paths, public_key_of, signed_by
from postwicket.trust.dane_match import Fits, Misfit, match
from postwicket.trust.lookup import TlsaRecord

from .chains import NOW, Made, make

CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
NO_SIGNER = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
AT = NOW.timestamp()
MX = "mx.example.net"
ROOT = make("root", ca=True)
MIDDLE = make("middle", ROOT, ca=True, path_length=0)
LEAF = make("leaf", MIDDLE, names=(MX,))
OTHER = make("other", ca=True)
ALONE = make("alone", names=("elsewhere.example",), days=(-9, -5))
SHORT = replace(LEAF, above=(MIDDLE.certificate,))  # the root is not sent


def verdict(
    made: Made, *records: TlsaRecord, names: tuple[str, ...] = (MX, "example.com"), at: float = AT
) -> str:
    found = match(made.chain, records, names, at)
    return found.because if isinstance(found, Fits) else found.verdict.value


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_every_way_to_name_a_certificate(selector: int, matching: int) -> None:
    words = f"({{}} {selector} {matching})"
    ee, ta = LEAF.tlsa(3, selector, matching), ROOT.tlsa(2, selector, matching)
    assert verdict(LEAF, ee) == "verified by DANE " + words.format(3)
    assert verdict(LEAF, ta) == "verified by DANE " + words.format(2)
    assert verdict(LEAF, MIDDLE.tlsa(2, selector, matching)) == "verified by DANE " + words.format(
        2
    )
    assert verdict(LEAF, OTHER.tlsa(3, selector, matching)) == "validation-failure"
    assert verdict(LEAF, OTHER.tlsa(2, selector, matching)) == "certificate-not-trusted"


def test_names_and_dates_do_not_count_for_dane_ee() -> None:
    assert verdict(ALONE, ALONE.tlsa(3, 1, 1)) == "verified by DANE (3 1 1)"


def test_names_and_dates_count_for_dane_ta() -> None:
    ta = ROOT.tlsa(2, 0, 1)
    expired = make("leaf", MIDDLE, names=(MX,), days=(-9, -5))
    early = make("leaf", MIDDLE, names=(MX,), days=(5, 9))
    wrong = make("leaf", MIDDLE, names=("elsewhere.example",))
    old_middle = make("leaf", make("middle", ROOT, ca=True, days=(-9, -5)), names=(MX,))
    assert verdict(expired, ta) == "certificate-expired"
    assert verdict(early, ta) == "certificate-expired"
    assert verdict(old_middle, ta) == "certificate-expired"
    assert verdict(wrong, ta) == "certificate-host-mismatch"


@pytest.mark.parametrize(
    ("held", "fits"),
    [
        (("example.com",), True),  # the next-hop domain (RFC 7672, section 3.2.2)
        (("*.example.net",), True),
        (("*.net",), False),
        ((), False),
    ],
)
def test_the_names_that_count_for_dane_ta(held: tuple[str, ...], *, fits: bool) -> None:
    made = make("leaf", MIDDLE, names=held)
    assert (verdict(made, ROOT.tlsa(2, 1, 1)) == "verified by DANE (2 1 1)") is fits


def test_the_common_name_counts_where_there_is_no_other() -> None:
    assert verdict(make(MX, MIDDLE), ROOT.tlsa(2, 1, 1)) == "verified by DANE (2 1 1)"
    both = make(MX, MIDDLE, names=("elsewhere.example",))
    assert verdict(both, ROOT.tlsa(2, 1, 1)) == "certificate-host-mismatch"


@pytest.mark.parametrize(("selector", "fits"), [(0, True), (1, True)])
def test_an_authority_that_is_whole_in_dns_need_not_be_sent(selector: int, *, fits: bool) -> None:
    words = f"verified by DANE (2 {selector} 0)"
    assert (verdict(SHORT, ROOT.tlsa(2, selector, 0)) == words) is fits
    assert verdict(SHORT, ROOT.tlsa(2, selector, 1)) == "certificate-not-trusted"
    alone = replace(LEAF, above=())
    assert verdict(alone, MIDDLE.tlsa(2, selector, 0)) == f"verified by DANE (2 {selector} 0)"
    assert verdict(alone, OTHER.tlsa(2, selector, 0)) == "certificate-not-trusted"


def test_a_chain_in_disorder_is_put_in_order() -> None:
    made = replace(LEAF, above=(OTHER.certificate, ROOT.certificate, MIDDLE.certificate))
    assert verdict(made, ROOT.tlsa(2, 0, 1)) == "verified by DANE (2 0 1)"


@pytest.mark.parametrize(
    "middle",
    [
        make("middle", ROOT),  # no authority
        make("middle", make("above", ROOT, ca=True, path_length=0), ca=True),  # no room for it
        make(
            "middle",
            ROOT,
            ca=True,
            extra=[(x509.NameConstraints([x509.DNSName("example.org")], None), True)],
        ),
        make("middle", ROOT, ca=True, extra=[(x509.ExtendedKeyUsage([CODE_SIGNING]), False)]),
        make(
            "middle",
            ROOT,
            ca=True,
            extra=[(NO_SIGNER, True)],
        ),
    ],
)
def test_who_may_not_issue_leads_nowhere(middle: Made) -> None:
    made = make("leaf", middle, names=(MX,))
    assert verdict(made, ROOT.tlsa(2, 0, 1)) == "certificate-not-trusted"


def test_a_name_alone_makes_no_issuer() -> None:
    imposter = make("root", ca=True)  # the right name, another key
    made = make("leaf", imposter, names=(MX,))
    forged = replace(made, above=(ROOT.certificate,))
    assert verdict(forged, ROOT.tlsa(2, 0, 1)) == "certificate-not-trusted"
    assert verdict(forged, ROOT.tlsa(2, 1, 0)) == "certificate-not-trusted"


def test_the_leaf_is_no_authority_of_its_own() -> None:
    made = make("alone", ca=True, names=(MX,))
    assert verdict(made, made.tlsa(2, 0, 1)) == "certificate-not-trusted"


def test_one_of_several_records_is_enough() -> None:
    assert verdict(LEAF, OTHER.tlsa(3, 1, 1), ROOT.tlsa(2, 0, 1)) == "verified by DANE (2 0 1)"


def test_no_chain_and_nonsense_fit_nothing() -> None:
    assert match((), [LEAF.tlsa(3, 1, 1)], (MX,), AT) == Misfit(
        TlsVerdict.FAILED, "the peer showed no certificate"
    )
    assert isinstance(match((b"nonsense",), [ROOT.tlsa(2, 0, 1)], (MX,), AT), Misfit)


def test_a_flood_of_cross_signatures_is_bounded() -> None:
    pool = [made for made in (link(make("root", ROOT, ca=True).der) for _ in range(20)) if made]
    leaf = link(make("leaf", ROOT, names=(MX,)).der)
    assert leaf is not None
    found = list(paths(leaf, pool))
    assert all(len(path) <= LONGEST_PATH for path in found)
    assert len(found) <= 50


def test_the_key_is_cut_out_octet_for_octet() -> None:
    for made in (ROOT, MIDDLE, LEAF, ALONE):
        assert public_key_of(made.der) == made.spki


def test_a_key_of_another_kind_signed_nothing() -> None:
    leaf = link(LEAF.der)
    assert leaf is not None
    assert not signed_by(leaf, make("x", ca=True).spki)
    assert not signed_by(leaf, b"no key")
    assert isinstance(LEAF.key, ec.EllipticCurvePrivateKey)


@settings(max_examples=300)
@given(st.binary(max_size=80), st.integers(0, len(LEAF.der)), st.integers(0, 255))
def test_any_octets_survive(noise: bytes, place: int, octet: int) -> None:
    broken = LEAF.der[:place] + bytes([octet]) + LEAF.der[place + 1 :]
    records = [ROOT.tlsa(2, 0, 1), TlsaRecord(2, 1, 0, noise), TlsaRecord(2, 0, 0, noise)]
    for der in (noise, broken, LEAF.der[:place], LEAF.der[:place] + noise):
        found = match((der, *LEAF.chain[1:]), records, (MX,), AT)
        assert isinstance(found, Misfit) or der == LEAF.der
        cut = public_key_of(der)
        assert cut is None or cut in der
