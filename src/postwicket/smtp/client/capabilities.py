"""What a peer says it can do, read from its answer to EHLO (RFC 5321, section 4.1.1.1).

A keyword that is not understood is left alone; one that is malformed counts as not offered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from postwicket.core.reply import Reply

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One peer's extensions.

    `size` is the largest message in octets, None where none was named (RFC 1870);
    `rcptmax` and `mailmax` are limits of RFC 9422 or None.  `auth` is in upper case.
    `deliver_by` is the least seconds that DELIVERBY takes, None where it is not offered
    (RFC 2852); `priorities` is MT-PRIORITY (RFC 6710).
    """

    extended: bool = True
    starttls: bool = False
    pipelining: bool = False
    chunking: bool = False
    eight_bit: bool = False
    binary: bool = False
    smtputf8: bool = False
    dsn: bool = False
    requiretls: bool = False
    offers_size: bool = False
    size: int | None = None
    auth: frozenset[str] = frozenset()
    rcptmax: int | None = None
    mailmax: int | None = None
    deliver_by: int | None = None
    priorities: bool = False


HELO_ONLY: Final = Capabilities(extended=False)


def read_capabilities(reply: Reply) -> Capabilities:
    r"""Return what a positive answer to EHLO offers; its first line is the peer's name.

    >>> read_capabilities(Reply(250, None, "mx\nSIZE 1000\nPIPELINING")).size
    1000
    """
    offers: dict[str, list[str]] = {}
    for line in reply.text.split("\n")[1:]:
        # "AUTH=PLAIN" is what some old servers say beside "AUTH PLAIN"; it means the same.
        words = line.replace("=", " ", 1).split() if line[:5].upper() == "AUTH=" else line.split()
        if words:
            offers.setdefault(words[0].upper(), []).extend(words[1:])
    limits = _limits(offers.get("LIMITS", []))
    return Capabilities(
        starttls="STARTTLS" in offers,
        pipelining="PIPELINING" in offers,
        chunking="CHUNKING" in offers,
        eight_bit="8BITMIME" in offers,
        # RFC 3030, section 3: BINARYMIME is of no use without CHUNKING.
        binary="BINARYMIME" in offers and "CHUNKING" in offers,
        smtputf8="SMTPUTF8" in offers,
        dsn="DSN" in offers,
        requiretls="REQUIRETLS" in offers,
        offers_size="SIZE" in offers,
        size=_size(offers.get("SIZE", [])),
        auth=frozenset(word.upper() for word in offers.get("AUTH", [])),
        rcptmax=limits.get("RCPTMAX"),
        mailmax=limits.get("MAILMAX"),
        deliver_by=(_size(offers["DELIVERBY"]) or 0) if "DELIVERBY" in offers else None,
        priorities="MT-PRIORITY" in offers,
    )


def _size(words: list[str]) -> int | None:
    # "SIZE 0" means that no fixed limit is in force (RFC 1870, section 4).
    if not words or not _NUMBER.fullmatch(words[0]):
        return None
    return int(words[0]) or None


def _limits(words: list[str]) -> dict[str, int]:
    limits = {}
    for word in words:
        name, _, value = word.partition("=")
        # RFC 9422, section 4: one to six digits, never zero; anything else is ignored.
        if re.fullmatch(r"[1-9][0-9]{0,5}", value):
            limits[name.upper()] = int(value)
    return limits
