"""Which addresses mail is not carried to."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.net.reach import Reach, may_leave_from, on_this_machine

EVERYWHERE = Reach()


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("100.100.0.1", "private"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("198.18.0.1", "benchmarks"),
        ("2001:0:1::1", "reserved"),  # Teredo
        ("4000::1", "reserved"),
        ("::7f00:1", "reserved"),  # IPv4-compatible
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:8.8.8.8", "disguise"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("64:ff9b:1::1", "private"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:c0a8:1::1", "private"),
        ("mail.example.com", "not an IP address"),
        ("", "not an IP address"),
        ("127.1", "not an IP address"),
        ("0x7f000001", "not an IP address"),
    ],
)
def test_special_addresses_are_refused_in_words(address: str, word: str) -> None:
    assert word in EVERYWHERE.objection(address, 25)


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "11.0.0.0"),
        *("126.255.255.255", "128.0.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255"),
        *("2a00:1450::1", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "2002:808:808::1"),
    ],
)
def test_the_open_internet_is_not(address: str) -> None:
    assert EVERYWHERE.objection(address, 25) == ""


@pytest.mark.parametrize(
    ("network", "address", "allowed"),
    [
        ("127.0.0.0/8", "127.0.0.9", True),
        ("127.0.0.0/8", "::ffff:127.0.0.9", True),
        ("127.0.0.0/8", "64:ff9b::127.0.0.9", True),
        ("127.0.0.1/32", "127.0.0.9", False),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("::1/128", "::1", True),
        ("::1/128", "127.0.0.1", False),
        ("0.0.0.0/0", "192.168.1.1", True),
        ("0.0.0.0/0", "fd00::1", False),
    ],
)
def test_the_operator_allows_networks(network: str, address: str, allowed: bool) -> None:
    reach = Reach([ipaddress.ip_network(network)])
    assert (reach.objection(address, 25) == "") == allowed


def test_our_own_listeners_are_never_reached_whatever_is_allowed() -> None:
    reach = Reach(
        [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")],
        [("0.0.0.0", 25), ("127.0.0.1", 2587), ("::", 465)],
        local=lambda address: address in {"192.0.2.7", "2001:db8::7"},
    )
    for address, port in (
        ("192.0.2.7", 25),
        ("127.0.0.5", 25),
        ("::ffff:192.0.2.7", 25),
        ("64:ff9b::c000:207", 25),
        ("127.0.0.1", 2587),
        ("2001:db8::7", 465),
        ("::1", 465),
        ("::", 465),
    ):
        assert "this server" in reach.objection(address, port), address
    for address, port in (("192.0.2.8", 25), ("127.0.0.2", 2587), ("192.0.2.7", 26)):
        assert reach.objection(address, port) == "", address
    assert not reach.is_ourselves("no address", 25)


def test_this_machine_knows_its_own_addresses() -> None:
    for own in ("127.0.0.1", "127.8.8.8", "::1", _address_of_this_machine()):
        assert on_this_machine(own), own
    for foreign in ("8.8.8.8", "2001:4860:4860::8888", "0.0.0.0", "::", "255.255.255.255", "x"):
        assert not on_this_machine(foreign), foreign


def test_and_from_which_of_them_a_connection_can_leave() -> None:
    assert may_leave_from("127.0.0.1")
    assert may_leave_from("::1")
    assert not may_leave_from("8.8.8.8")


def _address_of_this_machine() -> str:
    """Return the address from which packets would leave, or loopback where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_never_let_through(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_multicast or address.is_link_local:
        assert EVERYWHERE.objection(str(address), 25)


@given(st.text(max_size=40))
def test_any_text_has_an_objection_or_is_an_address(text: str) -> None:
    if not EVERYWHERE.objection(text, 25):
        ipaddress.ip_address(text)
