"""What TLSA records demand of an exchanger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.dane import MOST_RECORDS, Dane, DaneState, consult, usable
from postwicket.trust.lookup import TlsaRecord, Verdict

from .scripted import ScriptedResolver

D32, D64 = b"a" * 32, b"b" * 64
EE, EE_512 = TlsaRecord(3, 1, 1, D32), TlsaRecord(3, 1, 2, D64)
TA, TA_FULL = TlsaRecord(2, 0, 1, D32), TlsaRecord(2, 0, 0, b"certificate")
ZONE = f"3 1 1 {D32.hex()} secure"


def ask(answers: Mapping[str, str | Verdict], *candidates: str, port: int = 25) -> Dane:
    resolver = ScriptedResolver(answers)
    return asyncio.run(
        consult(resolver, candidates=candidates, port=port, also=("example.com", candidates[0]))
    )


@pytest.mark.parametrize(
    ("records", "counted"),
    [
        ((EE,), (EE,)),
        ((EE, TA), (EE, TA)),
        ((EE, EE_512), (EE_512,)),
        ((EE_512, TA), (EE_512, TA)),  # other usage and selector: its own choice of digest
        ((TA, TA_FULL), (TA, TA_FULL)),
        ((TlsaRecord(0, 0, 1, D32),), ()),
        ((TlsaRecord(1, 1, 1, D32), EE), (EE,)),
        ((TlsaRecord(4, 1, 1, D32), TlsaRecord(3, 2, 1, D32), TlsaRecord(3, 1, 3, D32)), ()),
        ((TlsaRecord(3, 1, 1, D64),), ()),  # a digest of another length
        ((TlsaRecord(3, 1, 2, D32), EE), (EE,)),  # broken, so it takes nobody's place
        ((TlsaRecord(3, 1, 0, b""),), ()),
        ((), ()),
    ],
)
def test_which_records_count(
    records: tuple[TlsaRecord, ...], counted: tuple[TlsaRecord, ...]
) -> None:
    assert usable(records) == counted


def test_secure_records_are_what_the_connection_needs() -> None:
    found = ask({"_25._tcp.mx.example.net TLSA": ZONE}, "mx.example.net")
    assert found.state is DaneState.USABLE
    assert found.base == "mx.example.net"
    assert found.names == ("mx.example.net", "example.com")
    assert found.records == (EE,)


def test_the_canonical_name_comes_first_and_the_other_one_after_it() -> None:
    canonical, original = "real.example.org", "mx.example.net"
    both = {f"_25._tcp.{canonical} TLSA": ZONE, f"_25._tcp.{original} TLSA": ZONE}
    assert ask(both, canonical, original).base == canonical
    assert ask({f"_25._tcp.{original} TLSA": ZONE}, canonical, original).base == original


def test_the_port_is_part_of_the_name() -> None:
    answers = {"_25._tcp.mx.example.net TLSA": ZONE}
    assert ask(answers, "mx.example.net", port=2525).state is DaneState.NONE


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.TIMEOUT, Verdict.BOGUS])
def test_no_answer_is_no_licence(verdict: Verdict) -> None:
    found = ask({"_25._tcp.mx.example.net TLSA": verdict}, "mx.example.net", "other.example.net")
    assert found.state is DaneState.FAILED
    assert verdict.value in found.why


@pytest.mark.parametrize("verdict", [Verdict.NODATA, Verdict.NXDOMAIN])
def test_no_records_demand_nothing(verdict: Verdict) -> None:
    found = ask({"_25._tcp.mx.example.net TLSA": verdict}, "mx.example.net")
    assert found.state is DaneState.NONE


def test_records_that_nobody_vouches_for_demand_nothing() -> None:
    answers = {"_25._tcp.mx.example.net TLSA": f"3 1 1 {D32.hex()}"}
    assert ask(answers, "mx.example.net").state is DaneState.NONE


def test_records_of_no_use_still_demand_tls() -> None:
    answers = {"_25._tcp.mx.example.net TLSA": f"1 0 1 {D32.hex()} secure"}
    found = ask(answers, "mx.example.net")
    assert found.state is DaneState.UNUSABLE
    assert "1 0 1" in found.why


def test_what_was_found_is_looked_at_again_when_the_first_answer_ends() -> None:
    resolver = ScriptedResolver({"_25._tcp.mx.example.net TLSA": ZONE}, until=1234.0)
    for name in ("mx.example.net", "other.example.net"):
        found = asyncio.run(consult(resolver, candidates=[name], port=25))
        assert found.until == 1234.0


@given(
    st.lists(
        st.builds(
            TlsaRecord,
            st.integers(0, 255),
            st.integers(0, 255),
            st.integers(0, 255),
            st.binary(max_size=65),
        ),
        max_size=2 * MOST_RECORDS,
    )
)
def test_any_records_survive(records: list[TlsaRecord]) -> None:
    counted = usable(records)
    assert len(counted) <= MOST_RECORDS
    assert all(record in records and record.usage in {2, 3} for record in counted)
