"""How sessions with other servers were secured: what daily reports are made of (RFC 8460)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsResult:
    """How many sessions ended so, with one exchanger under one policy (RFC 8460, section 4).

    `day` is YYYY-MM-DD in UTC; `domain` is the recipients' domain as A-labels; `policy_type` is
    "sts", "tlsa" or "no-policy-found", and `policy` has its lines; `result` is "success" or a
    result type of section 4.3.  All but the `count` of a day's equal sessions is the same.
    """

    day: str
    domain: str
    policy_type: str
    policy: tuple[str, ...] = ()
    mx_patterns: tuple[str, ...] = ()
    sending_ip: str = ""
    receiving_mx: str = ""
    receiving_ip: str = ""
    result: str = "success"
    count: int = 1
