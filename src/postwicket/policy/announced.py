"""When a peer says that we may come back: "try again in 5 minutes", in the forms that are seen.

The text is hostile: every repetition is bounded, and the time is kept within bounds as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .reading import normalised

SHORTEST: Final = 60.0  # seconds: nobody is tried again sooner because of his own words
LONGEST: Final = 4 * 3600.0  # seconds: nor does anybody put mail off for longer

_SPAN: Final = re.compile(
    r"\b(?:again|retry|back|resend|send|wait|grey-?list(?:ed|ing)|gray-?list(?:ed|ing)|delayed"
    r"|deferred|return|expires?|remaining)\b[^0-9]{0,40}?"
    r"(\d{1,6}) ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b"
)
# milter-greylist: "please come back in 00:04:59".
_CLOCK: Final = re.compile(r"\b(?:again|back|retry|wait)\b[^0-9]{0,40}?(\d\d):(\d\d):(\d\d)\b")
_UNITS: Final[Mapping[str, float]] = {"s": 1.0, "m": 60.0, "h": 3600.0}


def announced_pause(text: str) -> float | None:
    """Return the seconds that a reply asks us to wait, within bounds, or None.

    >>> announced_pause("Greylisted for 300 seconds"), announced_pause("try again in 2 hours")
    (300.0, 7200.0)
    >>> announced_pause("Please come back in 00:04:59"), announced_pause("try again later")
    (299.0, None)
    """
    words = normalised(text)
    span = _SPAN.search(words)
    if span:
        seconds = int(span[1]) * _UNITS[span[2][0]]
    else:
        clock = _CLOCK.search(words)
        if clock is None:
            return None
        seconds = int(clock[1]) * 3600.0 + int(clock[2]) * 60 + int(clock[3])
    return max(SHORTEST, min(LONGEST, seconds))
