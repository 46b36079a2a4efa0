"""A private Postfix to send through or to: SASL, STARTTLS and implicit TLS, Maildirs to look in.

Only bob@example.com and carl@example.com have a mailbox: everybody else is refused at RCPT.

With `ACCEPTS_FIRST` it is a receiver that takes mail for everybody, and sends bounces later.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.lab.postfix import Postfix as Instance
from tests.lab.postfix import without_its_fields
from tests.lab.program import shared_port
from tests.needs import need

from .authority import TestAuthority

USER: Final = "relay@example.org"
PASSWORD: Final = "a password of the tests"
PEOPLE: Final = ("bob", "carl")

_MAIN: Final = """\
myhostname = mx.example.com
inet_interfaces = 127.0.0.1
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
cyrus_sasl_config_path = {folder}/etc/sasl
smtpd_sasl_local_domain = example.org
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject
virtual_mailbox_domains = example.com
virtual_mailbox_maps = inline:{{ {people} }}
"""

# What it refuses at RCPT otherwise, it takes, and finds out when it delivers.
ACCEPTS_FIRST: Final = """\
smtpd_tls_security_level = may
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
relayhost = [127.0.0.1]:{relay}
smtp_tls_security_level = may
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""

_DOORS: Final = """\
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{implicit} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
"""

_SASL: Final = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {folder}/sasldb2
"""


class Postfix:
    """One instance; `starttls` and `implicit` are its ports, which stay when it is restarted."""

    def __init__(self, folder: Path, authority: TestAuthority, *, more: str = "") -> None:
        need("saslpasswd2", "sasl2-bin")
        self.ca = authority.ca
        self.starttls, self.implicit = shared_port(), shared_port()
        self._instance = Instance(folder, greeting=("127.0.0.1", self.starttls))
        self._write(folder, authority, more)
        self.start, self.stop, self.log = (
            self._instance.start,
            self._instance.stop,
            self._instance.log,
        )

    def _write(self, folder: Path, authority: TestAuthority, more: str) -> None:
        pair = authority.pair("postfix")
        main = _MAIN.format(
            folder=folder,
            certificate=pair.certificate,
            key=pair.key,
            people=", ".join(f"{{ {each}@example.com = {each}/ }}" for each in PEOPLE),
        )
        doors = _DOORS.format(starttls=self.starttls, implicit=self.implicit)
        self._instance.configure(main + more, doors)
        (folder / "etc/sasl").mkdir()
        (folder / "etc/sasl/smtpd.conf").write_text(_SASL.format(folder=folder))
        database, (local, _, domain) = folder / "sasldb2", USER.partition("@")
        command = [need("saslpasswd2"), "-p", "-c", "-f", str(database), "-u", domain, local]
        subprocess.run(
            command,
            check=True,
            input=PASSWORD.encode(),
            stdout=subprocess.DEVNULL,
        )
        shutil.chown(database, "postfix")

    def mail(self, person: str) -> list[bytes]:
        """Return what lies in somebody's Maildir, as it came over the wire."""
        return [without_its_fields(content) for content in self._instance.maildir(person)]
