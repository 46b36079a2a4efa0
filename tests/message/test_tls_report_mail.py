"""A TLS report as mail, read back with Python's own parser."""

from __future__ import annotations

import email
import email.policy

from postwicket.message.tls_report_mail import Cover, build_report_mail

COVER = Cover(
    domain="example.com",
    submitter="mail.example.org",
    day="2026-11-24",
    summary="Sessions that went well: 10.",
    sender="tlsrpt@mail.example.org",
    to="reports@example.com",
    id="2026-11-24-abc",
    now=1_800_000_000.0,
)


def test_what_a_reader_finds() -> None:
    packed = bytes(range(256)) * 10
    header, body = build_report_mail(packed, COVER, boundary="=_random")
    assert max(map(len, (header + body).split(b"\r\n"))) <= 998
    read = email.message_from_bytes(header + body, policy=email.policy.default)
    assert read["TLS-Report-Domain"] == "example.com"
    assert read["TLS-Report-Submitter"] == "mail.example.org"
    assert read["TLS-Required"] == "No"
    assert read["From"] == "TLS reports <tlsrpt@mail.example.org>"
    assert read["To"] == "reports@example.com"
    assert read["Subject"] == (
        "Report Domain: example.com Submitter: mail.example.org"
        " Report-ID: <2026-11-24-abc@mail.example.org>"
    )
    assert read.get_content_type() == "multipart/report"
    assert read.get_param("report-type") == "tlsrpt"
    words, data = read.iter_parts()
    assert "Sessions that went well: 10." in words.get_content()
    assert data.get_content_type() == "application/tlsrpt+gzip"
    assert data.get_filename() == (
        "mail.example.org!example.com!1795478400!1795564799!2026-11-24-abc.json.gz"
    )
    assert data.get_content() == packed
