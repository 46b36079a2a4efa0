"""Where mail may be carried to: not to ourselves, and not into networks that are nobody's.

Whoever writes to us chooses the domain, and the domain's owner chooses the addresses.  Without
this check a stranger's DNS record would make us talk to our own machine or to a device behind
our firewall (server-side request forgery), or to ourselves for ever.  The operator allows single
networks with `[delivery] allow_networks`.

The table is the IANA special-purpose registries (RFC 6890), read so that what has no meaning as a
mail host on the Internet is refused.  An IPv6 address that carries an IPv4 address inside
(RFC 4291, 6052, 3056) is judged by both.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_SPECIAL_4: Final = tuple(
    (ipaddress.IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "private (shared by a provider's customers)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_SPECIAL_6: Final = tuple(
    (ipaddress.IPv6Network(network), what)
    for network, what in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "an IPv4 address in disguise"),
        ("64:ff9b:1::/48", "private (translated to IPv4)"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")  # RFC 3056, section 2


def special(address: IpAddress) -> str:
    """Return what is special about an address, in words, or "" for one of the open Internet.

    >>> special(ipaddress.ip_address("10.1.2.3")), special(ipaddress.ip_address("8.8.8.8"))
    ('private', '')
    >>> special(ipaddress.ip_address("64:ff9b::7f00:1"))
    'loopback'
    """
    inside = carried(address)
    if inside is not None and (what := special(inside)):
        return what
    if isinstance(address, ipaddress.IPv4Address):
        return next((what for network, what in _SPECIAL_4 if address in network), "")
    what = next((what for network, what in _SPECIAL_6 if address in network), "")
    if what or address in _GLOBAL_6 or address in _NAT64:
        return what
    return "reserved"


def carried(address: IpAddress) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address inside an IPv6 address, if there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour if address in _SIX_TO_FOUR else None


def on_this_machine(address: str) -> bool:
    """Say whether an interface of this machine has the address.

    The system's routes know: what is sent to an own address would leave from that very address.
    Nothing is sent.  (To bind to it proves less: `ip_nonlocal_bind` allows that for any address.)
    """
    try:
        if ipaddress.ip_address(address).is_loopback:
            return True
        with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return ipaddress.ip_address(probe.getsockname()[0]) == ipaddress.ip_address(address)
    except (OSError, ValueError):
        return False


def may_leave_from(address: str) -> bool:
    """Say whether a connection can have this local address."""
    try:
        with socket.socket(_family(address), socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Reach:
    """Which addresses may be connected to.

    `listening` is where our own listeners are, as address and port; "0.0.0.0" and "::" are all
    addresses of this machine, as `local` knows them.
    """

    def __init__(
        self,
        allowed: Iterable[IpNetwork] = (),
        listening: Sequence[tuple[str, int]] = (),
        *,
        local: Callable[[str], bool] = on_this_machine,
    ) -> None:
        self._allowed = tuple(allowed)
        self._listening = [(ipaddress.ip_address(host), port) for host, port in listening]
        self._local = local

    def objection(self, address: str, port: int) -> str:
        """Return why there may be no connection, in words, or "" when there may be one."""
        no = self.forbidden(address)
        if not no and self.is_ourselves(address, port):
            return f"{address} port {port} is this server"
        return no

    def forbidden(self, address: str) -> str:
        """Return why the network of an address is out of bounds, in words, or ""."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return f"{address} is not an IP address"
        what = special(parsed)
        return f"{address} is {what}" if what and not self._is_allowed(parsed) else ""

    def is_ourselves(self, address: str, port: int) -> bool:
        """Say whether a connection to there would reach one of our own listeners."""
        ports = [host for host, own_port in self._listening if own_port == port]
        if not ports:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        real = carried(parsed) or parsed
        if real in ports:
            return True
        everywhere = any(host.is_unspecified for host in ports)
        return everywhere and (real.is_unspecified or real.is_loopback or self._local(str(real)))

    def _is_allowed(self, address: IpAddress) -> bool:
        both = (address, carried(address))
        return any(one in network for network in self._allowed for one in both if one is not None)
