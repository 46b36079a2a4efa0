"""MTA-STS (RFC 8461): what a domain says about TLS at its exchangers, read from DNS and HTTPS.

Pure: any bytes in, a value or None out.  `trust.mta_sts_cache` keeps policies, `mta_sts_fetch`
gets them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

LARGEST_POLICY: Final = 65_536  # octets; RFC 8461, section 3.3 suggests 64 KiB
LONGEST_AGE: Final = 31_557_600  # seconds, "about a year": RFC 8461, section 3.2
MOST_PATTERNS: Final = 500  # more than anybody has exchangers
# RFC 8461, section 3.1: fields end in a semicolon, white space may stand around them.
_RECORD: Final = re.compile(r"v=STSv1[ \t]*;(.*)", re.DOTALL)
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*=[ \t]*([!-:<>-~]*)")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_AGE: Final = re.compile(r"[0-9]{1,10}")


class Mode(Enum):
    """What to do about an exchanger that does not keep to the policy."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class StsPolicy:
    """A valid policy: `mx` are patterns in lower case, `max_age` is in seconds.

    `lines` is the policy as it was published, for TLS reports.
    """

    mode: Mode
    mx: tuple[str, ...]
    max_age: int
    lines: tuple[str, ...] = ()


class PolicyInvalid(ValueError):
    """What was fetched is no policy; says why."""


def read_record(texts: Sequence[str]) -> str | None:
    """Return the id in the TXT records at `_mta-sts.DOMAIN`, or None where MTA-STS is not used.

    More than one record that begins with `v=STSv1` is as good as none (section 3.1).

    >>> read_record(["unrelated", "v=STSv1; id=20160831085700Z;"])
    '20160831085700Z'
    >>> read_record(["v=STSv1; id=1", "v=STSv1; id=2"]) is None
    True
    """
    ours = [match for text in texts if (match := _RECORD.fullmatch(text))]
    if len(ours) != 1:
        return None
    found = ""
    fields = [field.strip(" \t") for field in ours[0][1].split(";")]
    while fields and not fields[-1]:
        fields.pop()
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        if match[1] == "id":
            if found or not _ID.fullmatch(match[2]):
                return None
            found = match[2]
    return found or None


def read_policy(content: bytes) -> StsPolicy:
    r"""Return the policy in a file, or raise `PolicyInvalid` (section 3.2).

    Lines end in LF or CR LF.  Of a key that may stand once, the first counts; what is not known
    is ignored.

    >>> read_policy(b"version: STSv1\nmode: enforce\nmx: *.example.com\nmax_age: 86400\n").mx
    ('*.example.com',)
    """
    if len(content) > LARGEST_POLICY:
        raise PolicyInvalid(f"the policy has more than {LARGEST_POLICY} octets")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyInvalid("the policy is not UTF-8") from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    once: dict[str, str] = {}
    mx: list[str] = []
    for line in lines:
        key, colon, value = (part.strip(" \t") for part in line.partition(":"))
        if not colon or not _KEY.fullmatch(key):
            if line.strip(" \t"):
                raise PolicyInvalid(f"not a line of a policy: {line[:60]!r}")
        elif key == "mx":
            mx.append(_pattern(value))
        else:
            once.setdefault(key, value)
    return _policy(once, tuple(dict.fromkeys(mx)), tuple(line for line in lines if line))


def _policy(once: dict[str, str], mx: tuple[str, ...], lines: tuple[str, ...]) -> StsPolicy:
    if once.get("version") != "STSv1":
        raise PolicyInvalid("the version is not STSv1")
    try:
        mode = Mode(once.get("mode", ""))
    except ValueError:
        raise PolicyInvalid(f"there is no mode {once.get('mode', '')[:40]!r}") from None
    if mode is not Mode.NONE and not mx:
        raise PolicyInvalid("no mx is named")
    if len(mx) > MOST_PATTERNS:
        raise PolicyInvalid(f"more than {MOST_PATTERNS} mx are named")
    age = once.get("max_age", "")
    if not _AGE.fullmatch(age):
        raise PolicyInvalid("max_age is no number of seconds")
    return StsPolicy(mode=mode, mx=mx, max_age=min(int(age), LONGEST_AGE), lines=lines)


def _pattern(text: str) -> str:
    """Return an mx pattern in lower case; raise `PolicyInvalid`."""
    bare = text.lower().removesuffix(".")
    name = bare.removeprefix("*.")
    if len(bare) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise PolicyInvalid(f"not a name of an mx: {text[:60]!r}")
    return bare


def allows(policy: StsPolicy, exchanger: str) -> bool:
    """Say whether a policy names an exchanger; `*.` stands for exactly one label (section 4.1).

    >>> policy = StsPolicy(mode=Mode.ENFORCE, mx=("*.example.com", "mx.example.net"), max_age=1)
    >>> [allows(policy, name) for name in ("a.example.com", "a.b.example.com", "example.com")]
    [True, False, False]
    """
    name = exchanger.lower().removesuffix(".")
    first, _, parent = name.partition(".")
    return name in policy.mx or (bool(first and parent) and f"*.{parent}" in policy.mx)
