"""Where mail for a domain goes: its exchangers, in the order to try, with their addresses."""

from __future__ import annotations

from dataclasses import dataclass

from .dialling import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanger:
    """One host that takes mail for a domain.

    `name` is the one in the MX record (A-labels, lower case, no final dot), or the literal in its
    brackets; `canonical` is where the name's aliases end (RFC 7672, section 2.2.2).  `addresses`
    are in the order to try, none of them forbidden, and there is at least one.  `secure` is True
    when both the MX answer and the address answers were validated.
    """

    name: str
    preference: int
    addresses: tuple[Target, ...]
    port: int
    canonical: str = ""
    secure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where mail for one domain goes.

    `domain` is in A-labels or an address literal in brackets, `shown` as people read it;
    `canonical` is where the domain's aliases end.  `exchangers` are in the order to try: by
    preference, and by chance where that is equal (RFC 5321, section 5.1); there is at least one.
    `secure`: the MX answer was validated.  `implicit`: the domain has no MX record and is its own
    exchanger.  `until` is when it has to be found anew (seconds since 1970).  `left_out` says
    why exchangers are missing, for people.
    """

    domain: str
    exchangers: tuple[Exchanger, ...]
    shown: str = ""
    canonical: str = ""
    secure: bool = False
    implicit: bool = False
    until: float = 0.0
    left_out: tuple[str, ...] = ()
