"""One listener of one worker: what every connection to it is told and asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from postwicket.config.transport import Listener
from postwicket.net.certificates import Certificates
from postwicket.smtp.server.terms import Terms

Networks = Sequence[IPv4Network | IPv6Network]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """`starttls_ports` are those of this server's STARTTLS listeners, to send the lost there.

    `certificates` is None only for a listener without TLS.
    """

    settings: Listener
    terms: Terms
    certificates: Certificates | None
    starttls_ports: tuple[int, ...] = ()

    @property
    def implicit(self) -> bool:
        """True when TLS begins with the first byte."""
        return self.settings.tls == "implicit"

    def may_connect(self, address: str) -> bool:
        """Say whether a client of this address may connect."""
        networks = self.settings.networks
        return not networks or _within(address, networks)

    def behind_proxy(self, address: str) -> bool:
        """Say whether this peer has to send a PROXY header."""
        return bool(self.settings.proxy) and _within(address, self.settings.proxy)


def terms_of(
    listener: Listener, *, hostname: str, size: int, recipients: int, hold_at_most: float = 0.0
) -> Terms:
    """Return what a listener offers and demands."""
    bound = listener.account is not None
    return Terms(
        hostname=hostname,
        size=size,
        recipients=recipients,
        mechanisms=() if bound else ("PLAIN", "LOGIN"),
        starttls=listener.tls == "starttls",
        tls_first=listener.tls != "none" and not bound,
        sign_in_first=not bound,
        hold_at_most=int(hold_at_most),
        deadlines=True,
        requiretls=listener.tls != "none",
    )


def plain_address(address: str) -> str:
    """Return a peer's address as it is compared and shown.

    A dual-stack socket shows IPv4 clients in IPv6 clothes; a zone means nothing to others.

    >>> plain_address("::ffff:192.0.2.1"), plain_address("fe80::1%eth0")
    ('192.0.2.1', 'fe80::1')
    """
    return address.removeprefix("::ffff:").partition("%")[0]


def _within(address: str, networks: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in networks if network.version == mapped.version)
