"""Parameters of MAIL that say how and when: FUTURERELEASE, DELIVERBY, MT-PRIORITY, REQUIRETLS.

Each parser takes the value and raises ValueError with the reason; `wishes_of` puts them together.
What a time means (too far, over already) is for who has a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from postwicket.core.envelope import NO_WISHES, Wishes

_SECONDS: Final = re.compile(r"[0-9]{1,9}")  # RFC 4865, section 3: 1*9DIGIT
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)"
)
_BY: Final = re.compile(r"([+-]?[0-9]{1,9});([NnRr])([Tt]?)")  # RFC 2852, section 4
_PRIORITY: Final = re.compile(r"-?[0-9]")  # RFC 6710


def hold_for(value: str) -> int:
    """Read HOLDFOR: seconds from now (RFC 4865).

    >>> hold_for("3600")
    3600
    """
    if not _SECONDS.fullmatch(value) or int(value) == 0:
        raise ValueError("HOLDFOR is a number of seconds, from 1 on")
    return int(value)


def hold_until(value: str) -> float:
    """Read HOLDUNTIL: a date and time as RFC 3339 writes it, in seconds since 1970.

    >>> hold_until("2030-01-01T00:00:00Z")
    1893456000.0
    """
    fault = "HOLDUNTIL is a date and time like 2030-01-31T08:00:00Z"
    if not _DATE_TIME.fullmatch(value):
        raise ValueError(fault)
    try:
        # A second of 60 and a year of 0000 are what RFC 3339 allows and datetime does not.
        return datetime.fromisoformat(value.upper()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(fault) from None


def deliver_by(value: str) -> tuple[int, str, bool]:
    """Read BY: seconds, the mode, and whether relays shall tell (RFC 2852, section 4).

    >>> deliver_by("120;R"), deliver_by("-5;nt")
    ((120, 'R', False), (-5, 'N', True))
    """
    match = _BY.fullmatch(value)
    if match is None:
        raise ValueError("BY is seconds, a semicolon, and N or R, as in BY=3600;R")
    seconds, mode = int(match[1]), match[2].upper()
    if mode == "R" and seconds <= 0:
        raise ValueError("with R the time has to be in the future")
    return seconds, mode, bool(match[3])


def priority(value: str) -> int:
    """Read MT-PRIORITY: -9 to 9, higher first (RFC 6710).

    >>> priority("-3")
    -3
    """
    if not _PRIORITY.fullmatch(value):
        raise ValueError("MT-PRIORITY is a number from -9 to 9")
    return int(value)


def no_value(value: str) -> bool:
    """Read a parameter that is only named."""
    if value:
        raise ValueError("it takes no value")
    return True


PARAMETERS: Final[Mapping[str, Callable[[str], object]]] = {
    "HOLDFOR": hold_for,
    "HOLDUNTIL": hold_until,
    "BY": deliver_by,
    "MT-PRIORITY": priority,
    "REQUIRETLS": no_value,
}


def wishes_of(parameters: Mapping[str, object]) -> Wishes:
    """Return what the parameters of one MAIL ask for; raise ValueError where two exclude it."""
    if not PARAMETERS.keys() & parameters.keys():
        return NO_WISHES
    if "HOLDFOR" in parameters and "HOLDUNTIL" in parameters:
        raise ValueError("HOLDFOR and HOLDUNTIL exclude each other")
    seconds, mode, trace = None, "", False
    by = parameters.get("BY")
    if isinstance(by, tuple):
        seconds, mode, trace = by
    held, until = parameters.get("HOLDFOR"), parameters.get("HOLDUNTIL")
    rank = parameters.get("MT-PRIORITY")
    return Wishes(
        require_tls="REQUIRETLS" in parameters,
        hold_for=held if isinstance(held, int) else None,
        hold_until=until if isinstance(until, float) else None,
        by=seconds,
        by_mode=mode,
        by_trace=trace,
        priority=rank if isinstance(rank, int) else 0,
    )
