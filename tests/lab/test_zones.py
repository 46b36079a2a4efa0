"""The names of the laboratory: signed, unsigned, forged, missing, and unknown to anybody."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.rcode
import pytest

from .laboratory import Laboratory
from .validator import Validator
from .zones import BOGUS, LAME, ROOT, SILENT, UNSIGNED, Zones


@pytest.fixture
def zones(laboratory: Laboratory) -> Zones:
    return laboratory.zones


@pytest.fixture
def validator(laboratory: Laboratory) -> Validator:
    assert laboratory.validator is not None
    return laboratory.validator


def found(validator: Validator, name: str, kind: str) -> tuple[str, bool, set[str]]:
    """Return the rcode, whether it was validated, and the records."""
    answer = validator.ask(name, kind)
    records = {
        str(record)
        for rrset in answer.answer
        for record in rrset
        if dns.rdatatype.to_text(rrset.rdtype) == kind
    }
    return dns.rcode.to_text(answer.rcode()), bool(answer.flags & dns.flags.AD), records


def test_a_record_is_validated_as_soon_as_it_is_there(zones: Zones, validator: Validator) -> None:
    name = f"fresh.{ROOT}"
    assert found(validator, name, "MX") == ("NXDOMAIN", True, set())
    zones.add(name, "MX", f"10 mx.{name}.", "20 mx2.example.")
    expected = {f"10 mx.{name}.", "20 mx2.example."}
    assert found(validator, name, "MX") == ("NOERROR", True, expected)
    zones.add(name, "MX", "0 .")
    assert found(validator, name, "MX") == ("NOERROR", True, {"0 ."})
    assert found(validator, name, "A") == ("NOERROR", True, set())


def test_an_unsigned_zone_answers_without_any_assurance(
    zones: Zones, validator: Validator
) -> None:
    zones.add(f"www.{UNSIGNED}", "A", "127.0.0.9")
    assert found(validator, f"www.{UNSIGNED}", "A") == ("NOERROR", False, {"127.0.0.9"})


def test_signatures_that_are_over_are_worse_than_none(validator: Validator) -> None:
    assert found(validator, BOGUS, "MX")[0] == "SERVFAIL"


def test_a_zone_that_nobody_serves_is_a_failure(validator: Validator) -> None:
    assert found(validator, f"x.{LAME}", "A")[0] == "SERVFAIL"


def test_nobody_knows_anything_of_a_silent_zone(validator: Validator) -> None:
    with pytest.raises(dns.exception.Timeout):
        validator.ask(f"x.{SILENT}", "A", patience=0.3)


def test_there_is_nothing_outside(validator: Validator) -> None:
    assert found(validator, "example.org", "A")[0] == "NXDOMAIN"
