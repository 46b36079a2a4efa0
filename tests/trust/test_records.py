"""Reading answers: any octets and any records end in a lookup, and only the chain counts."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.exchange import read
from postwicket.trust.lookup import Verdict
from postwicket.trust.records import (
    KINDS,
    UNREADABLE_TLSA,
    question,
    read_answer,
)

from .name_server import response

NOW = 1_000_000.0


def asked(name: str, kind: str) -> dns.message.QueryMessage:
    made = dns.message.make_query(name, kind)
    assert isinstance(made, dns.message.QueryMessage)
    return made


def raw(kind: str, *records: bytes, name: str = "example.com") -> dns.message.Message:
    """Return a response whose records have this data, as it came over the wire."""
    said = dns.message.make_response(asked(name, kind))
    rrset = dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, KINDS[kind])
    rrset.ttl = 300
    for data in records:
        rrset.add(dns.rdata.GenericRdata(dns.rdataclass.IN, KINDS[kind], data))
    said.answer.append(rrset)
    return read(said.to_wire())


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=300))
def test_any_octets_end_in_a_lookup(kind: str, octets: bytes) -> None:
    found = question("example.com", kind)
    assert found is not None
    header = asked("example.com", kind).to_wire()
    for wire in (octets, header[:2] + b"\x80" + header[3:] + octets):
        try:
            message = read(wire)
        except (dns.exception.DNSException, ValueError):
            continue  # what `exchange` throws away
        lookup = read_answer(found, message, NOW, trusted=True)
        assert lookup.found == bool(lookup.records)
        assert lookup.until > NOW


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.binary(max_size=64), max_size=6),
)
def test_any_records_end_in_a_lookup(kind: str, records: list[bytes]) -> None:
    found = question("example.com", kind)
    assert found is not None
    lookup = read_answer(found, raw(kind, *records), NOW, trusted=False)
    assert lookup.verdict in {Verdict.FOUND, Verdict.NODATA}
    assert not lookup.secure


@given(st.text(max_size=300))
def test_any_text_is_a_question_or_none(text: str) -> None:
    found = question(text, "MX")
    assert found is None or (found.text.isascii() and found.name.to_wire() is not None)


def test_a_u_label_is_asked_for_as_its_a_label() -> None:
    found = question("Bücher.example", "MX")
    assert found is not None
    assert found.text == "xn--bcher-kva.example"


def test_a_broken_record_does_not_take_the_others_with_it() -> None:
    found = question("example.com", "A")
    assert found is not None
    lookup = read_answer(found, raw("A", b"\xc0\x00\x02\x01", b"\x01"), NOW, trusted=False)
    assert lookup.records == ("192.0.2.1",)


def test_tlsa_records_that_cannot_be_read_are_there_all_the_same() -> None:
    found = question("example.com", "TLSA")
    assert found is not None
    lookup = read_answer(found, raw("TLSA", b"\x03\x01\x01short"), NOW, trusted=True)
    assert lookup.records == (UNREADABLE_TLSA,)
    good = read_answer(found, raw("TLSA", b"\x03\x01\x01" + b"x" * 32), NOW, trusted=True)
    assert [record.usage for record in good.records] == [3]


@pytest.mark.parametrize(
    "stray",
    [
        "other.example. 300 IN A 192.0.2.66",
        "www.example.com. 300 IN A 192.0.2.66",
        'example.com. 300 IN TXT "192.0.2.66"',
    ],
)
def test_records_beside_the_question_do_not_count(stray: str) -> None:
    found = question("example.com", "A")
    assert found is not None
    said = response(asked("example.com", "A"), stray)
    assert read_answer(found, said, NOW, trusted=False).verdict is Verdict.NODATA


def test_what_comes_with_no_such_name_does_not_count() -> None:
    found = question("example.com", "A")
    assert found is not None
    said = response(
        asked("example.com", "A"),
        "example.com. 300 IN A 192.0.2.66",
        rcode=dns.rcode.NXDOMAIN,
    )
    lookup = read_answer(found, said, NOW, trusted=False)
    assert (lookup.verdict, lookup.records) == (Verdict.NXDOMAIN, ())
