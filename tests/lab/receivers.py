"""Postfix as a recipient's mail exchanger, in three kinds: plain, encrypted, strict.

    plain     no TLS at all
    dane      TLS with a certificate of its own, and the TLSA records that name it
    strict    greylists strangers, and limits connections, messages and recipients

Each takes mail for any domain of the laboratory and for any local part but `nobody`, and keeps
it as it came over the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.authority import Pair

from .postfix import Postfix, without_its_fields

_MAIN: Final = """\
myhostname = {name}
# Postfix knows only 127.0.0.1 as an interface; where it listens is in master.cf.
inet_interfaces = 127.0.0.1
message_size_limit = 10240000
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = regexp:{folder}/etc/domains
virtual_mailbox_maps = regexp:{folder}/etc/people
# Enough for any test; what comes in faster than it goes to the Maildir is not slowed down.
in_flow_delay = 0
"""
_TLS: Final = """\
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
"""
_STRICT: Final = """\
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{greylist}
smtpd_client_event_limit_exceptions =
smtpd_client_connection_count_limit = 2
smtpd_client_connection_rate_limit = 60
smtpd_client_message_rate_limit = {messages}
smtpd_client_recipient_rate_limit = 200
smtpd_recipient_limit = 10
anvil_rate_time_unit = {window}s
"""
_DOOR: Final = "{address}:{port} inet n - n - - smtpd\n"
_DOMAINS: Final = "/[.]lab[.]example$/ taken\n"
_PEOPLE: Final = "if !/^nobody@/\n/./ all/\nendif\n"
_DELIVERED_TO: Final = re.compile(rb"(?m)^Delivered-To: (.*?)\r$")
_RETURN_PATH: Final = re.compile(rb"^Return-Path: <(.*?)>\r\n")

MESSAGES: Final = 30  # that the strict one takes from one client within ...
WINDOW: Final = 5  # ... so many seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A message for one recipient: `content` to the octet, `how` is the receiver's Received."""

    sender: str
    recipient: str
    content: bytes
    how: str


class Receiver:
    """One exchanger; `name` is what MX records call it."""

    def __init__(self, folder: Path, name: str, address: str, port: int) -> None:
        self.name = name
        self.address = address
        self._postfix = Postfix(folder, greeting=(address, port))
        self._main = _MAIN.format(name=name, folder=folder)
        self._door = _DOOR.format(address=address, port=port)
        (folder / "etc/domains").write_text(_DOMAINS)
        (folder / "etc/people").write_text(_PEOPLE)

    def encrypt(self, pair: Pair) -> None:
        """Offer STARTTLS with this certificate; not while it runs."""
        self._main += _TLS.format(certificate=pair.certificate, key=pair.key)

    def limit(self, greylist: int) -> None:
        """Ask the policy service on this port, and limit every client; not while it runs."""
        self._main += _STRICT.format(greylist=greylist, messages=MESSAGES, window=WINDOW)

    def add(self, main: str) -> None:
        """Add lines to main.cf; not while it runs."""
        self._main += main

    def start(self) -> None:
        """Start it and wait for its greeting."""
        self._postfix.configure(self._main, self._door)
        self._postfix.start()

    def stop(self) -> None:
        """End it; what arrived is kept."""
        self._postfix.stop()

    def log(self) -> str:
        """Return what Postfix wrote down."""
        return self._postfix.log()

    def arrived(self, recipient: str | None = None) -> list[Arrived]:
        """Return what has come, for one recipient or for all."""
        found = (_arrived(content) for content in self._postfix.maildir("all"))
        return [one for one in found if recipient in {None, one.recipient}]


def _arrived(content: bytes) -> Arrived:
    sender, recipient = _RETURN_PATH.match(content), _DELIVERED_TO.search(content)
    assert sender is not None, content[:500]
    assert recipient is not None, content[:500]
    rest = without_its_fields(content)
    return Arrived(
        sender=sender[1].decode(),
        recipient=recipient[1].decode(),
        content=rest,
        how=content[recipient.end() : len(content) - len(rest)].decode().strip(),
    )
