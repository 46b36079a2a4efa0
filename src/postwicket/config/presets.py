"""Providers whose submission server is known by name: host, port and kind of TLS.

>>> PRESETS["gmail"]["host"]
'smtp.gmail.com'

Only those that take a plain user name and password belong here; the rest needs more than data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PRESETS: Final[Mapping[str, Mapping[str, object]]] = {
    name: {"host": host, "port": port, "tls": "implicit" if port == 465 else "starttls"}
    for name, host, port in (
        ("brevo", "smtp-relay.brevo.com", 587),
        ("fastmail", "smtp.fastmail.com", 465),
        ("gmail", "smtp.gmail.com", 587),
        ("icloud", "smtp.mail.me.com", 587),
        ("mailgun", "smtp.mailgun.org", 587),
        ("postmark", "smtp.postmarkapp.com", 587),
        ("proton", "smtp.protonmail.ch", 587),
        ("resend", "smtp.resend.com", 465),
        ("sendgrid", "smtp.sendgrid.net", 587),
        ("workspace", "smtp.gmail.com", 587),
        ("yahoo", "smtp.mail.yahoo.com", 465),
        ("zoho", "smtp.zoho.com", 465),
    )
}
