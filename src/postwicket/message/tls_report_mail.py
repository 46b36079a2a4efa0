"""A TLS report as mail (RFC 8460, section 5.3): words for people, the report for programs."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from .dates import message_date

_LINE: Final = 76  # characters of base64, RFC 2045, section 6.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What stands around a report: ASCII without line ends, domains as A-labels.

    `day` is YYYY-MM-DD, `summary` a sentence for people, `now` in seconds since 1970.
    """

    domain: str
    submitter: str
    day: str
    summary: str
    sender: str
    to: str
    id: str
    now: float


def build_report_mail(report: bytes, cover: Cover, *, boundary: str) -> tuple[bytes, bytes]:
    """Return header and body; the body begins with the empty line that ends the header.

    `report` is compressed already; `boundary` must be random.
    """
    domain, submitter, id = cover.domain, cover.submitter, cover.id  # noqa: A001 - it is one
    midnight = int(datetime.fromisoformat(cover.day).replace(tzinfo=UTC).timestamp())
    seconds = (midnight, midnight + 86_399)
    # RFC 8460, section 5.1: submitter, domain, first and last second, number.
    name = f"{submitter}!{domain}!{seconds[0]}!{seconds[1]}!{id}.json.gz"
    fields = (
        f"From: TLS reports <{cover.sender}>",
        f"To: <{cover.to}>",
        f"Subject: Report Domain: {domain}",
        f" Submitter: {submitter}",
        f" Report-ID: <{id}@{submitter}>",
        f"Date: {message_date(cover.now).decode()}",
        f"Message-ID: <{id}@{submitter}>",
        f"TLS-Report-Domain: {domain}",
        f"TLS-Report-Submitter: {submitter}",
        # RFC 8460, section 5.3: about broken TLS one must be able to hear over broken TLS.
        "TLS-Required: No",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="{boundary}"',
    )
    text = (
        f"This is a report about the encryption of mail to {domain} on {cover.day} (UTC),",
        f"as {submitter} saw it (RFC 8460).",
        "",
        cover.summary,
    )
    words = "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + "\r\n".join(text) + "\r\n"
    data = (
        "Content-Type: application/tlsrpt+gzip\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment;\r\n\tfilename="{name}"\r\n\r\n{_encoded(report)}'
    )
    mark = f"\r\n--{boundary}"
    body = f"{mark}\r\n{words}{mark}\r\n{data}{mark}--\r\n"
    return "".join(f"{field}\r\n" for field in fields).encode("ascii"), body.encode("ascii")


def _encoded(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "\r\n".join(text[at : at + _LINE] for at in range(0, len(text), _LINE)) + "\r\n"
