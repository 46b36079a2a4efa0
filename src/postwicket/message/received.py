"""The Received field that we put on top of a message (RFC 5321 section 4.4, RFC 3848, RFC 6531).

The name that the client gave in EHLO is whatever the client wanted it to be, and an address
may come from a proxy; both are cleaned, so that neither can end the line, open a comment or
add a clause.  Who signed in is not written: the field travels to strangers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from postwicket.core.address import LONGEST_DOMAIN, Address

from .dates import message_date

_HELO: Final = re.compile(r"[A-Za-z0-9._-]+|\[[A-Za-z0-9.:-]+\]")
_NOT_IN_HELO: Final = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_IPV4: Final = re.compile(r"(?:::ffff:)?([0-9]{1,3}(?:\.[0-9]{1,3}){3})", re.IGNORECASE)
_IPV6: Final = re.compile(r"[0-9A-Fa-f:]{2,39}")
_NOT_IN_TLS: Final = re.compile(r"[^A-Za-z0-9 ._-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """How a message reached us; one per session state, so make it once and keep it.

    `helo` is what the client called itself and `peer` its IP address ("" if it has none).
    `extended` is true after EHLO.  `tls` is version and cipher, "" in the clear.
    """

    hostname: str
    helo: str
    peer: str
    extended: bool = True
    tls: str = ""
    authenticated: bool = False


def received_field(
    hop: Hop,
    *,
    queue_id: str,
    now: float,
    recipient: Address | None = None,
    smtputf8: bool = False,
) -> bytes:
    """Return the whole field, folded, with its CR LF.

    `recipient` is the only recipient, or None when there are several: naming one would tell
    the others (RFC 5321, section 7.6).  A UTF-8 recipient is named with `smtputf8` only.
    """
    whom = ""
    if recipient is not None and (smtputf8 or recipient.is_ascii):
        whom = f"\r\n\tfor <{recipient}>"
    head = _head(hop.hostname, hop.helo, hop.peer, _protocol(hop, smtputf8=smtputf8), hop.tls)
    return f"{head}{queue_id}{whom};\r\n\t".encode() + message_date(now) + b"\r\n"


@lru_cache(maxsize=1024)
def _head(hostname: str, helo: str, peer: str, protocol: str, tls: str) -> str:
    comment = f"\r\n\t({_NOT_IN_TLS.sub('?', tls)[:200]})" if tls else ""
    literal = _literal(peer)
    origin = f"{_name(helo)} ({literal})" if literal else _name(helo)
    return f"Received: from {origin}\r\n\tby {hostname} with {protocol}{comment} id "


def _protocol(hop: Hop, *, smtputf8: bool) -> str:
    """Name the protocol as RFC 3848 and RFC 6531, section 4.3 register it."""
    if not hop.extended:
        return "SMTP"  # there is no name for HELO with TLS; the comment tells of it
    base = "UTF8SMTP" if smtputf8 else "ESMTP"
    return f"{base}{'S' if hop.tls else ''}{'A' if hop.authenticated else ''}"


def _name(helo: str) -> str:
    if len(helo) <= LONGEST_DOMAIN and _HELO.fullmatch(helo):
        return helo
    return _NOT_IN_HELO.sub("?", helo[:LONGEST_DOMAIN]).translate(_NO_BRACKETS) or "unknown"


_NO_BRACKETS: Final = str.maketrans("[]:", "???")


def _literal(peer: str) -> str:
    """Return the address as a literal (RFC 5321, section 4.1.3), or "" where it is none."""
    if found := _IPV4.fullmatch(peer):
        return f"[{found[1]}]"
    bare = peer.partition("%")[0]  # fe80::1%eth0: the zone means something only here
    return f"[IPv6:{bare.lower()}]" if _IPV6.fullmatch(bare) else ""
