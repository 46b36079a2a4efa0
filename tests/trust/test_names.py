"""Names of certificates and names of hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.trust.names import covers


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("mx.example.net", "mx.example.net", True),
        ("MX.example.NET.", "mx.example.net", True),
        ("mx.example.net", "mx2.example.net", False),
        ("*.example.net", "mx.example.net", True),
        ("*.example.net", "a.mx.example.net", False),
        ("*.example.net", "example.net", False),
        ("*.example.net", ".example.net", False),
        ("m*.example.net", "mx.example.net", False),
        ("*x.example.net", "mx.example.net", False),
        ("mx.*.net", "mx.example.net", False),
        ("*.*.net", "mx.example.net", False),
        ("*.net", "example.net", False),
        ("*", "net", False),
        ("*", "mx.example.net", False),
        ("", "", False),
        ("*.xn--bcher-kva.example", "mx.xn--bcher-kva.example", True),
    ],
)
def test_which_names_a_certificate_covers(pattern: str, name: str, *, covered: bool) -> None:
    assert covers(pattern, name) is covered


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_names_survive(pattern: str, name: str) -> None:
    if covers(pattern, name):
        assert pattern.count(".") >= 0
        assert (
            name.lower()
            .removesuffix(".")
            .endswith(pattern.lower().removesuffix(".").removeprefix("*."))
        )
