"""What the owner of a domain publishes in DNS, as records; the same ones that `examining` expects.

Names are full, A-labels, without a final dot.  A zone file (RFC 1035, section 5) has what belongs
into the domain's own zone; what is for somebody else's (PTR, another domain) stands there as a
comment.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .keys import DkimKey, Domain

TTL: Final = 3600  # seconds
CHALLENGE: Final = "_postwicket-challenge"
STRING: Final = 255  # octets of one string of a TXT record (RFC 1035, section 3.3.14)
STS_MAX_AGE: Final = 604_800  # seconds; RFC 8461, section 3.2 suggests weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the records follow from.

    `hostname` is this server, `addresses` where it sends from, `returns` the domain of return
    paths ("" without), `exchangers` the MX of the domain as DNS has them.
    """

    domain: Domain
    keys: tuple[DkimKey, ...]
    hostname: str
    addresses: tuple[str, ...] = ()
    returns: str = ""
    exchangers: tuple[str, ...] = ()
    now: float


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record; `need` is must, should or may, `why` says what it is for."""

    purpose: str
    name: str
    kind: str
    value: str
    need: str
    why: str


def records(here: Situation) -> list[DnsRecord]:
    """Return everything to publish, what matters most first."""
    name = here.domain.name
    found = [
        DnsRecord(
            "ownership",
            f"{CHALLENGE}.{name}",
            "TXT",
            challenge(here.domain),
            "must" if here.domain.verified is None else "may",
            "proves that the domain is yours; needed until it is verified",
        ),
        *(
            DnsRecord("DKIM", key.name, "TXT", key.record, "must", _key_words(key, here.now))
            for key in here.keys
            if key.state(here.now) != "past"
        ),
        DnsRecord(
            "SPF",
            name,
            "TXT",
            f"v=spf1 {spf_term(here)} ~all",
            "should" if here.returns else "must",
            f"if there is one already, put {spf_term(here)} into it: only one is allowed",
        ),
        DnsRecord(
            "DMARC",
            f"_dmarc.{name}",
            "TXT",
            f"v=DMARC1; p=none; rua=mailto:dmarc@{_reports(here)}",
            "must",
            "Gmail, Yahoo and Microsoft want one; go to p=quarantine and p=reject when the "
            "reports are clean",
        ),
    ]
    return found + _report_records(here) + _return_records(here) + _server_records(here)


def challenge(domain: Domain) -> str:
    """Return what is published to prove who owns a domain."""
    return f"postwicket={domain.token}"


def spf_term(here: Situation) -> str:
    """Return the term that lets this server send."""
    return f"a:{here.hostname}"


def sts_policy(exchangers: Sequence[str]) -> str:
    """Return the policy file (RFC 8461, section 3.2), lines ended by LF."""
    lines = ["version: STSv1", "mode: testing", *(f"mx: {name}" for name in exchangers)]
    return "\n".join([*lines, f"max_age: {STS_MAX_AGE}", ""])


def sts_url(domain: str) -> str:
    """Return where the policy file has to be."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def _key_words(key: DkimKey, now: float) -> str:
    return {
        "prepared": "the key signs nothing until this is seen in DNS",
        "active": "the key signs",
        "retired": "the key signs no more, but mail that it signed is still under way",
    }[key.state(now)]


def _reports(here: Situation) -> str:
    """Return the domain to which reports go: ours where we take mail, else the domain itself."""
    return here.returns or here.domain.name


def _report_records(here: Situation) -> list[DnsRecord]:
    name, reports = here.domain.name, _reports(here)
    found = [
        DnsRecord(
            "TLS-RPT",
            f"_smtp._tls.{name}",
            "TXT",
            f"v=TLSRPTv1; rua=mailto:tlsrpt@{reports}",
            "may",
            "others report trouble with TLS on mail to you (RFC 8460)",
        )
    ]
    if reports != name and not reports.endswith(f".{name}"):
        found.append(
            DnsRecord(
                "DMARC",
                f"{name}._report._dmarc.{reports}",
                "TXT",
                "v=DMARC1",
                "should",
                f"lets reports about {name} go to another domain (RFC 9990)",
            )
        )
    if here.exchangers:
        version = hashlib.sha256(sts_policy(here.exchangers).encode()).hexdigest()[:16]
        found.append(
            DnsRecord(
                "MTA-STS",
                f"_mta-sts.{name}",
                "TXT",
                f"v=STSv1; id={version}",
                "may",
                f"with the policy file at {sts_url(name)}: mail to you is encrypted (RFC 8461)",
            )
        )
    return found


def _return_records(here: Situation) -> list[DnsRecord]:
    if not here.returns:
        return []
    return [
        DnsRecord(
            "return path",
            here.returns,
            "MX",
            f"10 {here.hostname}.",
            "must",
            "bounces come back to this server",
        ),
        DnsRecord(
            "return path",
            here.returns,
            "TXT",
            f"v=spf1 {spf_term(here)} -all",
            "must",
            "SPF is asked for the return path; nobody else sends with it",
        ),
    ]


def _server_records(here: Situation) -> list[DnsRecord]:
    found = []
    for address in here.addresses:
        ip = ipaddress.ip_address(address)
        found += [
            DnsRecord(
                "server",
                here.hostname,
                "A" if ip.version == 4 else "AAAA",
                str(ip),
                "must",
                "this server's own name, said in EHLO",
            ),
            DnsRecord(
                "PTR",
                ip.reverse_pointer,
                "PTR",
                f"{here.hostname}.",
                "must",
                "whoever gave you the address sets it; without it Gmail refuses mail",
            ),
        ]
    found.append(
        DnsRecord(
            "server",
            here.hostname,
            "TXT",
            "v=spf1 a -all",
            "should",
            "SPF for the name said in EHLO: notices have an empty return path",
        )
    )
    return found


def in_zone_syntax(record: DnsRecord) -> str:
    r"""Return a record as a line of a zone file.

    >>> in_zone_syntax(DnsRecord("SPF", "example.org", "TXT", 'v=spf1 "x" -all', "must", ""))
    'example.org. 3600 IN TXT "v=spf1 \\"x\\" -all"'
    """
    value = record.value
    if record.kind == "TXT":
        value = " ".join(f'"{_escaped(piece)}"' for piece in strings(value))
    return f"{record.name}. {TTL} IN {record.kind} {value}"


def strings(text: str) -> list[str]:
    """Return the strings of a TXT record: at most 255 octets each."""
    return [text[at : at + STRING] for at in range(0, len(text), STRING)] or [""]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def zone_file(here: Situation) -> str:
    """Return the records as a piece of a zone file, with comments."""
    name = here.domain.name
    lines = [f"; what {here.hostname} needs to send mail for {name}", f"$ORIGIN {name}.", ""]
    for record in records(here):
        inside = record.name == name or record.name.endswith(f".{name}")
        line = in_zone_syntax(record)
        lines.append(f"; {record.purpose} ({record.need}): {record.why}")
        lines += [line, ""] if inside else [f"; for another zone: {line}", ""]
    return "\n".join(lines)
