"""A private Postfix to send through or to: SASL, STARTTLS and implicit TLS, Maildirs to look in.

Everything is below one folder; /etc/postfix and the system's queue are never touched.  Only
bob@example.com and carl@example.com have a mailbox: everybody else is refused at RCPT.
Postfix's parts run under accounts of their own, so it starts as root only.

With `ACCEPTS_FIRST` it is a receiver that takes mail for everybody, and sends bounces later.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

from tests.needs import need, need_root

from .authority import TestAuthority
from .server import PATIENCE, until

USER: Final = "relay@example.org"
PASSWORD: Final = "a password of the tests"
PEOPLE: Final = ("bob", "carl")
_PROGRAMS: Final = Path("/usr/lib/postfix/sbin")

_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {programs}
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.example.com
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_peername_lookup = no
disable_dns_lookups = yes
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
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""

# What it refuses at RCPT otherwise, it takes, and finds out when it delivers.
ACCEPTS_FIRST: Final = """\
smtpd_tls_security_level = may
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
relayhost = [127.0.0.1]:{relay}
smtp_tls_security_level = may
"""

_MASTER: Final = """\
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{implicit} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
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
        need_root("Postfix starts as root only")
        need("postfix")
        need("saslpasswd2", "sasl2-bin")
        self._folder = folder
        self._more = more
        self.ca = authority.ca
        self._process: subprocess.Popen[bytes] | None = None
        self.starttls, self.implicit = free_port(), free_port()
        for name in ("etc/sasl", "spool", "data", "mail"):
            (folder / name).mkdir(mode=0o755, parents=True)
        # pytest's folders are closed to everybody else, and Postfix's parts are somebody else.
        for above in (folder, *folder.parents[:-2]):
            above.chmod(above.stat().st_mode | 0o011)
        self._write(authority)

    def _write(self, authority: TestAuthority) -> None:
        folder, owner = self._folder, pwd.getpwnam("postfix")
        pair = authority.pair("postfix")
        shutil.chown(folder / "data", "postfix")
        shutil.chown(folder / "mail", "postfix")
        main = _MAIN.format(
            folder=folder,
            programs=_PROGRAMS,
            certificate=pair.certificate,
            key=pair.key,
            people=", ".join(f"{{ {each}@example.com = {each}/ }}" for each in PEOPLE),
            uid=owner.pw_uid,
            gid=owner.pw_gid,
        )
        (folder / "etc/main.cf").write_text(main + self._more)
        master = _MASTER.format(starttls=self.starttls, implicit=self.implicit)
        (folder / "etc/master.cf").write_text(master)
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

    def start(self) -> None:
        """Start it and wait for its greeting."""
        with (self._folder / "log").open("ab") as log:
            check = [need("postfix"), "-c", str(self._folder / "etc"), "check"]
            subprocess.run(check, check=False, stdout=log, stderr=log)  # makes the queue's folders
            self._process = subprocess.Popen(
                [_PROGRAMS / "master", "-c", self._folder / "etc", "-d"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._greets)

    def stop(self) -> None:
        """End it with all its processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(PATIENCE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None

    def mail(self, person: str) -> list[bytes]:
        """Return what lies in somebody's Maildir, as it came over the wire.

        Postfix's own fields on top (Return-Path to Received) are taken off, and its line ends.
        """
        found = []
        for file in sorted((self._folder / "mail" / person / "new").glob("*")):
            content = file.read_bytes().replace(b"\n", b"\r\n")
            ours = content.index(b"Received: ", content.index(b"Received: ") + 1)
            found.append(content[ours:])
        return found

    def log(self) -> str:
        """Return what Postfix wrote down."""
        return (self._folder / "maillog").read_text()

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.starttls), 1.0) as client:
                return client.recv(512).startswith(b"220")
        except OSError:
            return False


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
