"""The kinds of value that settings are made of: durations, networks, addresses to listen on.

Every reader here takes what TOML or the environment gives and returns the finished value, or
raises ValueError as "what is wrong; what to do".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, InstanceOf, PlainSerializer

from postwicket.core.address import Address, parse_domain
from postwicket.core.secret import Secret

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhd]?)")
_SIZES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SIZE: Final = re.compile(r"(\d{1,15})\s*([kmg]?)(?:i?b)?", re.IGNORECASE)
_SOCKET_ADDRESS: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):(\d{1,5})")

IpNetwork = IPv4Network | IPv6Network


def seconds(value: object) -> float:
    """Return a duration in seconds: "90s", "5m", "2h", "5d", or a number of seconds.

    >>> seconds("2h"), seconds("1.5m"), seconds(30)
    (7200.0, 90.0, 30.0)
    """
    found = None if isinstance(value, bool) else _DURATION.fullmatch(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{str(value)[:40]!r} is not a duration; write it like 90s, 5m, 2h or 5d")
    return float(found[1]) * _UNITS[found[2]]


def octets(value: object) -> int:
    """Return a size in octets: a number, or one with K, M or G (1024 each).

    >>> octets("25M"), octets(35882577)
    (26214400, 35882577)
    """
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"{str(value)[:40]!r} is not a size; write octets, or 25M or 512K")
    return int(found[1]) * _SIZES[found[2].lower()]


def network(value: object) -> IpNetwork:
    """Return an IP network; a single address is a network of one.

    >>> network("10.1.0.0/16"), network("::1")
    (IPv4Network('10.1.0.0/16'), IPv6Network('::1/128'))
    """
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ipaddress.ip_network(str(value).strip())
    except ValueError:
        raise ValueError(
            f"{str(value)[:60]!r} is not a network; write it like 10.1.0.0/16 or 192.0.2.7 "
            "(no bits set behind the prefix)"
        ) from None


def socket_address(text: str) -> tuple[str, int]:
    """Split "127.0.0.1:587" or "[::1]:587" into address and port; 0 means any free port.

    >>> socket_address("[::1]:587")
    ('::1', 587)
    """
    found = _SOCKET_ADDRESS.fullmatch(text.strip())
    if found is None or int(found[2]) > 65_535:
        raise ValueError(
            f"{text[:60]!r} is not an address and a port; write it like 0.0.0.0:587 or [::]:587"
        )
    host, port = found[1], int(found[2])
    try:
        if host.startswith("["):
            return str(ipaddress.IPv6Address(host[1:-1])), port
        return str(ipaddress.IPv4Address(host)), port
    except ValueError:
        raise ValueError(
            f"{host[:60]!r} is not an IP address; write it in digits: 127.0.0.1 is this machine, "
            "0.0.0.0 or [::] are all its addresses"
        ) from None


def name_server(value: object) -> str:
    """Return a name server as address and port; without a port it is 53.

    >>> name_server("127.0.0.1"), name_server("[::1]:5353")
    ('127.0.0.1:53', '[::1]:5353')
    """
    text = str(value).strip()
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        socket_address(text)
        return text
    return f"[{address}]:53" if address.version == 6 else f"{address}:53"


def host_name(value: object) -> str:
    """Return a host name or address literal in lower case."""
    return parse_domain(str(value).strip().removesuffix("."))


def account_name(value: object) -> str:
    """Return an account's name, which is a full address, in canonical form."""
    return Address.parse(str(value).strip()).canonical


def is_loopback(host: str) -> bool:
    """Say whether an IP address, or the name `localhost`, means this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("::"), is_loopback("localhost")
    (True, False, True)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def too_wide(networks: Iterable[IpNetwork]) -> IpNetwork | None:
    """Return the first network that is so wide that it names nobody in particular.

    10.0.0.0/8 and fc00::/7 are the widest private ones (RFC 1918, RFC 4193).
    """
    widest = {4: 8, 6: 7}
    return next((net for net in networks if net.prefixlen < widest[net.version]), None)


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value:
        return Secret(value)
    raise ValueError("a password is a text that is not empty; put it in quotes")


def _ip_address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip().strip("[]")))
    except ValueError:
        raise ValueError(
            f"{str(value)[:60]!r} is not an IP address; write it like 192.0.2.7"
        ) from None


def source_addresses(value: object) -> str:
    """Return local addresses to connect from, at most one of each family, with a space between.

    >>> source_addresses(["192.0.2.7", "[2001:DB8::7]"])
    '192.0.2.7 2001:db8::7'
    """
    given = value if isinstance(value, list | tuple) else str(value).replace(",", " ").split()
    addresses = [_ip_address(one) for one in given]
    families = [":" in address for address in addresses]
    if not addresses or len(set(families)) < len(families):
        raise ValueError(
            f"{str(value)[:80]!r} is not one IPv4 address, one IPv6 address or one of each; "
            'write it like "192.0.2.7" or ["192.0.2.7", "2001:db8::7"]'
        )
    return " ".join(addresses)


def _path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value).expanduser()
    raise ValueError("a path is a text that is not empty; put it in quotes")


def _globs(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(seconds)]
Size = Annotated[int, BeforeValidator(octets)]
Network = Annotated[IpNetwork, BeforeValidator(network)]
HostName = Annotated[str, BeforeValidator(host_name)]
SourceAddress = Annotated[str, BeforeValidator(source_addresses)]
AccountName = Annotated[str, BeforeValidator(account_name)]
Glob = Annotated[str, BeforeValidator(_globs)]
Password = Annotated[InstanceOf[Secret], BeforeValidator(_secret), PlainSerializer(str)]
File = Annotated[Path, BeforeValidator(_path)]
