"""Dates as messages write them (RFC 5322, section 3.3), made and checked without a clock.

Promises speed: a date is asked for once or more per message, so the last seconds are kept.
Refuses nothing by exception; `date_fault` says in words what is wrong with a date.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MONTH_NUMBERS: Final = {name.lower().encode(): n for n, name in enumerate(_MONTHS, start=1)}

# Section 4.3: the zones of RFC 822 are still to be read; "UTC" is no zone there, yet common.
_DATE: Final = re.compile(
    rb"(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[ \t]*+,[ \t]*+)?"
    rb"(?P<day>\d{1,2})[ \t]++(?P<month>[a-z]{3})[ \t]++(?P<year>\d{2,4})[ \t]++"
    rb"(?P<hour>\d{1,2})[ \t]*+:[ \t]*+(?P<minute>\d{2})"
    rb"(?:[ \t]*+:[ \t]*+(?P<second>\d{2}))?[ \t]++"
    rb"(?P<zone>[+-]\d{4}|utc|ut|gmt|[ecmp][sd]t|[a-ik-z])",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(rb"\([^()\\]*+\)")  # "(CEST)" after the zone
_LONGEST_DATE: Final = 200  # octets, comments included; ours, a date needs 31


def message_date(now: float) -> bytes:
    """Return a time as a Date field's value, in UTC.

    >>> message_date(1893499200.5)
    b'Tue, 01 Jan 2030 12:00:00 +0000'
    """
    return _date(int(now))


@lru_cache(maxsize=64)
def _date(second: int) -> bytes:
    at = datetime.fromtimestamp(second, UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return (
        f"{day}, {at.day:02} {month} {at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} +0000"
    ).encode("ascii")


@lru_cache(maxsize=256)
def date_fault(value: bytes) -> str:
    """Say what is wrong with the value of a Date field; "" means nothing.

    Obsolete forms are read (two-digit years, zones with names, no seconds, RFC 5322 section
    4.3), comments are skipped.  A wrong day of the week is forgiven: no reader believes it.

    >>> date_fault(b"Tue, 01 Jan 2030 12:00:00 +0000"), date_fault(b"31 Feb 2030 12:00 GMT")
    ('', 'there is no such day')
    """
    if len(value) > _LONGEST_DATE:
        return f"it is longer than {_LONGEST_DATE} octets"
    found = _DATE.fullmatch(_COMMENT.sub(b" ", value).strip(b" \t"))
    if found is None:
        return "it is not of the form 'Tue, 01 Jan 2030 12:00:00 +0000'"
    month = _MONTH_NUMBERS.get(found["month"].lower())
    if month is None:
        return "there is no such month"
    if int(found["hour"]) > 23 or int(found["minute"]) > 59 or int(found["second"] or 0) > 60:
        return "there is no such time of day"
    if found["zone"][1:].isdigit() and int(found["zone"][3:]) > 59:
        return "there is no such zone"
    try:
        datetime(_year(found["year"]), month, int(found["day"]), tzinfo=UTC)
    except ValueError:
        return "there is no such day"
    return ""


def _year(digits: bytes) -> int:
    """Return the year; section 4.3 says what two and three digits mean."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year
