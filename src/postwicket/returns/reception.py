"""What the inbound sessions of one worker share: which addresses exist, and how much is taken."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from postwicket.config.transport import Listener
from postwicket.core.queue_id import QueueId
from postwicket.smtp.server.terms import Terms
from postwicket.trust.return_path import Returned

from .keeping import Keeping
from .places import Place, Places
from .tempo import Tempo

LARGEST_NOTICE: Final = 1_048_576  # octets of a bounce or complaint
LARGEST_MAIL: Final = 10_485_760  # octets of a report or a letter to the postmaster
MOST_RECIPIENTS: Final = 10  # mailboxes in one message; a return path comes alone
OCTETS_PER_HOUR: Final = 64 * 1_048_576  # of mail for people, in each worker
OCTETS_AT_ONCE: Final = 512 * 1_048_576
MOST_GUESSES: Final = 10  # addresses of one connection that do not exist


def inbound_terms(listener: Listener, *, hostname: str) -> Terms:
    """Return what an inbound listener offers: TLS to whom wants it, and nobody signs in."""
    return Terms(
        hostname=hostname,
        size=LARGEST_MAIL,
        recipients=MOST_RECIPIENTS,
        mechanisms=(),
        starttls=listener.tls == "starttls",
        tls_first=False,
        sign_in_first=False,
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Reception:
    """See the module's text.

    What comes to return paths is counted by the delivery or the message: nobody can make them
    up, so there is no flood but from those who got our mail.  What comes to people is counted
    by client and by mailbox, and by octets: many clients together must not fill the disk, for
    then no mail is taken from anybody.
    """

    hostname: str
    places: Places
    keeping: Keeping
    _by_delivery: Tempo = field(default_factory=lambda: Tempo(per_hour=10, burst=10))
    _by_message: Tempo = field(default_factory=lambda: Tempo(per_hour=100, burst=300))
    _by_client: Tempo = field(default_factory=lambda: Tempo(per_hour=60, burst=30))
    _by_mailbox: Tempo = field(default_factory=lambda: Tempo(per_hour=600, burst=200))
    _octets: Tempo = field(
        default_factory=lambda: Tempo(per_hour=OCTETS_PER_HOUR, burst=OCTETS_AT_ONCE)
    )

    def has_room_for(self, octets: int, now: float) -> bool:
        """Say whether so much more mail for people is kept now."""
        return self._octets.take("", now, octets)

    def has_time_for(self, places: Collection[Place], peer: str, now: float) -> bool:
        """Say whether one more message of this client to these addresses is taken now."""
        sealed = [place.returned for place in places if place.returned is not None]
        if sealed:
            return all(self._takes(returned, now) for returned in sealed)
        mailboxes = {place.address.canonical for place in places}
        return self._by_client.take(network_of(peer), now) and all(
            self._by_mailbox.take(mailbox, now) for mailbox in sorted(mailboxes)
        )

    def _takes(self, returned: Returned, now: float) -> bool:
        key: tuple[QueueId, int, str] = (
            returned.message,
            returned.number,
            returned.purpose.value,
        )
        return (self._by_delivery if returned.number else self._by_message).take(key, now)


def network_of(peer: str) -> str:
    """Return what counts as one client: an IPv4 address, or a /64 of IPv6.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2:3:4")
    ('192.0.2.7', '2001:db8::/64')
    """
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if address.version == 4:
        return peer
    return str(ipaddress.ip_network((address, 64), strict=False))
