"""The configuration file that `postwicket try` writes: short, commented, ready to grow.

Its first line carries a checksum of the rest, so that a file which nobody touched can follow
the port options, and one that somebody edited is never written again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

FILE: Final = "postwicket.toml"
_FIRST_LINE: Final = "# Made by `postwicket try`; edit it freely, it is then left alone. [{}]"
_MARK: Final = re.compile(r"# Made by `postwicket try`.*\[([0-9a-f]{16})\]")
_PORTS: Final = re.compile(r'^address = "127\.0\.0\.1:(\d{1,5})"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the trial server listens."""

    smtp: int
    smtps: int
    http: int


_TEMPLATE: Final = """
# `postwicket config explain` shows every setting there is, with what it is for.
# After an edit: `postwicket config check`, then start the server again (or send it SIGHUP).

hostname = "mail.postwicket.test"      # how the server calls itself; later: its real full name
data     = "."                         # this folder
workers  = 1                           # mail processes; without this line: one per core

[[listener]]                           # applications connect here and upgrade to TLS, as on 587
address = "127.0.0.1:{smtp}"
kind    = "submission"
tls     = "starttls"

[[listener]]                           # or here, with TLS from the start, as on 465
address = "127.0.0.1:{smtps}"
kind    = "submission"
tls     = "implicit"

[[listener]]                           # the inbox in a browser
address = "127.0.0.1:{http}"
kind    = "http"

# [tls]                                # without it the certificate comes from ca.pem
# certificate = "/etc/letsencrypt/live/mail.example.org/fullchain.pem"
# key         = "/etc/letsencrypt/live/mail.example.org/privkey.pem"

[[route]]                              # the first route that fits wins
via = "capture"                        # keep mail in the inbox instead of sending it

# To send for real, through another server, put this route above the one that captures:
# [[route]]
# recipients = ["*@example.com"]       # leave it out to mean everybody
# via = "upstream:relay"
#
# [[upstream]]
# name     = "relay"
# host     = "smtp.example.org"        # or preset = "gmail"
# port     = 587
# tls      = "starttls"
# username = "you@example.org"
# password_file = "relay.secret"       # one line, readable by the server only

[sendmail]                             # how postwicket-sendmail and `postwicket send` get in
host     = "127.0.0.1"
port     = {smtp}
tls      = "starttls"
username = "you@postwicket.test"
password_file = "you.secret"
ca       = "ca.pem"
"""


def render(ports: Ports) -> str:
    """Return the file for these ports."""
    rest = _TEMPLATE.format(smtp=ports.smtp, smtps=ports.smtps, http=ports.http)
    return f"{_FIRST_LINE.format(_checksum(rest))}{rest}"


def unedited(text: str) -> Ports | None:
    """Return the ports of a file as `render` made it; None where somebody changed it.

    >>> unedited(render(Ports(2587, 2465, 8025)))
    Ports(smtp=2587, smtps=2465, http=8025)
    >>> unedited(render(Ports(2587, 2465, 8025)) + "workers = 2")
    """
    first, newline, rest = text.partition("\n")
    mark = _MARK.fullmatch(first)
    if mark is None or mark[1] != _checksum(newline + rest):
        return None
    found = [int(port) for port in _PORTS.findall(rest)]
    return Ports(*found) if len(found) == 3 else None


def _checksum(rest: str) -> str:
    return hashlib.sha256(rest.encode()).hexdigest()[:16]
