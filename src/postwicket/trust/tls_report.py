"""TLS reports (RFC 8460): who wants them, and what they say.  Pure.

`read_record` reads where a domain wants its reports, `report` turns a day's counts into the JSON
of section 4.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from postwicket.core.address import Address
from postwicket.core.tls_result import TlsResult
from postwicket.core.tls_verdict import TlsVerdict

MOST_PLACES: Final = 5  # of one domain that get a report
MOST_DETAILS: Final = 1000  # kinds of failure under one policy; 300 octets each
LONGEST_URI: Final = 500  # characters
_RECORD: Final = re.compile(r"v=TLSRPTv1[ \t]*;(.*)", re.DOTALL)
_FIELD: Final = re.compile(r"[ \t]*([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*=[ \t]*([!-:<-~ \t]*)")
_HOST: Final = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z][a-z0-9-]*")
_WEB: Final = re.compile(
    r"https://([^/?#:@\[\]]+)(?::([0-9]{1,5}))?([/?][^#]*)?(?:#.*)?", re.IGNORECASE
)
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_PRINTED: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class ByMail:
    """A report goes to an address."""

    address: Address

    def __str__(self) -> str:
        return f"mailto:{self.address}"


@dataclass(frozen=True, slots=True)
class ByWeb:
    """A report is posted to a host; `path` begins with a slash and may have a query."""

    host: str
    port: int
    path: str

    def __str__(self) -> str:
        port = "" if self.port == 443 else f":{self.port}"
        return f"https://{self.host}{port}{self.path}"


Place: TypeAlias = ByMail | ByWeb


def read_record(texts: Sequence[str]) -> tuple[Place, ...]:
    """Return where the TXT records at `_smtp._tls.DOMAIN` want reports; () for nowhere.

    More than one record is as good as none (section 3); of what is not understood nothing
    remains.

    >>> [str(place) for place in read_record(["v=TLSRPTv1; rua=mailto:tls@example.com"])]
    ['mailto:tls@example.com']
    """
    ours = [match for text in texts if (match := _RECORD.fullmatch(text))]
    if len(ours) != 1:
        return ()
    wanted = ""
    for field in ours[0][1].split(";"):
        match = _FIELD.fullmatch(field)
        if match is not None and match[1] == "rua" and not wanted:
            wanted = match[2]
    places = [_place(uri.strip(" \t")) for uri in wanted.split(",")]
    return tuple(dict.fromkeys(place for place in places if place is not None))[:MOST_PLACES]


def _place(uri: str) -> Place | None:
    if len(uri) > LONGEST_URI or not _PRINTED.fullmatch(uri):
        return None
    kind, _, rest = uri.partition(":")
    if kind.lower() == "mailto":
        return _mailbox(rest.partition("?")[0])
    match = _WEB.fullmatch(uri)
    if match is None or not _HOST.fullmatch(match[1].lower()):
        return None
    port = int(match[2] or 443)
    path = match[3] or "/"
    if not 1 <= port <= 65_535:
        return None
    return ByWeb(match[1].lower(), port, path if path.startswith("/") else f"/{path}")


def _mailbox(quoted: str) -> ByMail | None:
    """Return the address of a mailto URI (RFC 6068), percent signs decoded."""
    try:
        octets = _PERCENT.sub(lambda found: bytes.fromhex(found[1].decode()), quoted.encode())
        address = Address.parse(octets.decode())
    except ValueError:  # UnicodeDecodeError is one
        return None
    return ByMail(address) if address.local.isascii() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Whose report it is: `day` is YYYY-MM-DD in UTC, `contact` an address of ours."""

    day: str
    domain: str
    submitter: str
    contact: str
    id: str

    @property
    def begin(self) -> str:
        """The first second of the day."""
        return f"{self.day}T00:00:00Z"

    @property
    def end(self) -> str:
        """The last second of the day."""
        return f"{self.day}T23:59:59Z"


def report(about: About, results: Sequence[TlsResult]) -> bytes:
    """Return the report on a domain's results as JSON (section 4.4)."""
    policies: dict[tuple[object, ...], list[TlsResult]] = {}
    for one in results:
        policies.setdefault((one.policy_type, one.policy, one.mx_patterns), []).append(one)
    document = {
        "organization-name": about.submitter,
        "date-range": {"start-datetime": about.begin, "end-datetime": about.end},
        "contact-info": about.contact,
        "report-id": about.id,
        "policies": [_policy(about.domain, some) for some in policies.values()],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def totals(results: Sequence[TlsResult]) -> tuple[int, int]:
    """Return how many sessions went well, and how many did not."""
    well = sum(one.count for one in results if one.result == TlsVerdict.SUCCESS.value)
    return well, sum(one.count for one in results) - well


def _policy(domain: str, results: Sequence[TlsResult]) -> Mapping[str, object]:
    first = results[0]
    policy: dict[str, object] = {"policy-type": first.policy_type, "policy-domain": domain}
    if first.policy:
        policy["policy-string"] = list(first.policy)
    if first.mx_patterns:
        policy["mx-host"] = list(first.mx_patterns)
    well, badly = totals(results)
    said: dict[str, object] = {
        "policy": policy,
        "summary": {"total-successful-session-count": well, "total-failure-session-count": badly},
    }
    failures = [one for one in results if one.result != TlsVerdict.SUCCESS.value]
    if failures:
        worst = sorted(failures, key=lambda one: -one.count)[:MOST_DETAILS]
        said["failure-details"] = [_details(one) for one in worst]
    return said


def _details(one: TlsResult) -> Mapping[str, object]:
    known = {
        "result-type": one.result,
        "sending-mta-ip": one.sending_ip,
        "receiving-mx-hostname": one.receiving_mx,
        "receiving-ip": one.receiving_ip,
    }
    return {
        **{key: text for key, text in known.items() if text},
        "failed-session-count": one.count,
    }
