"""What one listener offers and demands: the lines of the reply to EHLO, and what comes first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

DEFAULT_SIZE: Final = 35_882_577  # Gmail's SIZE: 25 MiB in base64 and 10 KiB of header


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a session.

    `size` is the largest message in octets; `recipients` the most per message; `starttls`
    whether TLS can be had; `tls_first` and `sign_in_first` whether MAIL has to wait for them.
    `hold_at_most` is seconds that mail can be held, 0 for not at all, and `hold_until` the last
    date and time of that; `deadlines` offers DELIVERBY and MT-PRIORITY, `requiretls` REQUIRETLS
    (RFC 8689) within TLS.
    """

    hostname: str
    size: int = DEFAULT_SIZE
    recipients: int = 100
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    starttls: bool = True
    tls_first: bool = True
    sign_in_first: bool = True
    hold_at_most: int = 0
    hold_until: str = ""
    deadlines: bool = False
    requiretls: bool = False


@lru_cache(maxsize=64)
def keywords(terms: Terms, *, secure: bool) -> str:
    r"""Return the extension lines of the reply to EHLO (RFC 5321, section 4.1.1.1).

    AUTH is not mentioned where it would not be accepted.

    >>> terms = Terms(hostname="mail.example.org", size=1000)
    >>> keywords(terms, secure=False).split("\n")[:3]
    ['SIZE 1000', '8BITMIME', 'STARTTLS']
    >>> keywords(terms, secure=True).split("\n")[2]
    'AUTH PLAIN LOGIN'
    """
    lines = [f"SIZE {terms.size}", "8BITMIME"]
    if terms.starttls and not secure:
        lines.append("STARTTLS")
    if terms.mechanisms and (secure or not terms.tls_first):
        lines.append("AUTH " + " ".join(terms.mechanisms))
    lines += ["ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING", "BINARYMIME", "SMTPUTF8", "DSN"]
    if terms.hold_at_most and terms.hold_until:
        lines.append(f"FUTURERELEASE {terms.hold_at_most} {terms.hold_until}")  # RFC 4865
    if terms.deadlines:
        lines += ["DELIVERBY", "MT-PRIORITY"]  # RFC 2852, RFC 6710
    if terms.requiretls and secure:
        lines.append("REQUIRETLS")
    lines.append(f"LIMITS RCPTMAX={terms.recipients}")  # RFC 9422
    return "\n".join(lines)


@lru_cache(maxsize=64)
def offered(terms: Terms, *, secure: bool) -> frozenset[str]:
    """Return the parameters of MAIL that come with the extensions that are offered here."""
    names: set[str] = set()
    if terms.hold_at_most:
        names |= {"HOLDFOR", "HOLDUNTIL"}
    if terms.deadlines:
        names |= {"BY", "MT-PRIORITY"}
    if terms.requiretls and secure:
        names.add("REQUIRETLS")
    return frozenset(names)
