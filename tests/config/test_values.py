"""Durations, sizes, networks and addresses: what they accept, and what they say."""

from __future__ import annotations

import contextlib
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.config import values

READERS = (
    values.seconds,
    values.octets,
    values.network,
    values.socket_address,
    values.host_name,
    values.account_name,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("5m", 300),
        ("2h", 7200),
        ("5d", 432_000),
        (" 1 H ", 3600),
        ("7", 7),
        (2.5, 2.5),
    ],
)
def test_durations(text: object, expected: float) -> None:
    assert values.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "h", "-5m", "5 weeks", "1e9", "inf", "nan", True, None, []])
def test_what_is_no_duration_says_how_to_write_one(text: object) -> None:
    with pytest.raises(ValueError, match="write it like 90s, 5m, 2h or 5d"):
        values.seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("512K", 524_288), ("25M", 26_214_400), ("1GiB", 2**30), (7, 7)]
)
def test_sizes(text: object, expected: int) -> None:
    assert values.octets(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:587", ("0.0.0.0", 587)),
        ("[::]:0", ("::", 0)),
        (" 127.0.0.1:65535 ", ("127.0.0.1", 65_535)),
    ],
)
def test_socket_addresses(text: str, expected: tuple[str, int]) -> None:
    assert values.socket_address(text) == expected


@pytest.mark.parametrize(
    "text", ["587", ":587", "localhost:587", "::1:587", "[::1]", "127.0.0.1:65536", "[x]:1", ""]
)
def test_what_is_no_socket_address_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="write it"):
        values.socket_address(text)


def test_a_network_with_host_bits_is_refused() -> None:
    assert values.network("10.0.0.7") == ip_network("10.0.0.7/32")
    with pytest.raises(ValueError, match="no bits set behind the prefix"):
        values.network("10.0.0.7/24")


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text(), max_size=2))
def test_nothing_raises_but_value_error(value: object) -> None:
    for reader in READERS:
        with contextlib.suppress(ValueError):
            reader(str(value) if reader is values.socket_address else value)  # type: ignore[arg-type]  # socket_address takes only text
