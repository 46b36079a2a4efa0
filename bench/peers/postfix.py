"""Postfix as a peer: an instance of its own in the temporary folder, as durable as ever.

Configuration, queue, password database and log are all below the folder; /etc/postfix and the
system's queue are never touched.  Defaults are Postfix's own, except where the comments say why.
`Mode.KEEP` puts every message on HOLD: written and synced, never handed to the queue manager.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .server import (
    HOST,
    USER,
    FarEnd,
    Mode,
    PeerFailed,
    Server,
    await_greeting,
    find_program,
    free_ports,
    launch,
    make_certificate,
)

_PROGRAMS: Final = Path("/usr/lib/postfix/sbin")
_SHARED: Final = (Path("/etc/postfix"), Path("/usr/share/postfix"))
_PASSWORD: Final = "bench-password"  # of an account that lives for a minute

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
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
# No name service: it would measure the resolver.
smtpd_peername_lookup = no
disable_dns_lookups = yes
# The default makes a client wait while more comes in than goes out; that would slow Postfix down.
in_flow_delay = 0
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
cyrus_sasl_config_path = {folder}/etc/sasl
smtpd_sasl_local_domain = example.org
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
"""

# TLS is opportunistic as everywhere; connections are kept, which is quicker than the default.
_SIGNED: Final = """\
relayhost = [{host}]:{port}
smtp_tls_security_level = may
smtp_tls_connection_reuse = yes
smtpd_milters = inet:{host}:{milter}
milter_default_action = tempfail
"""

_OPENDKIM: Final = """\
Socket inet:{milter}@{host}
Mode s
Domain {domain}
Selector bench
KeyFile {folder}/dkim.key
RequireSafeKeys no
Canonicalization relaxed/relaxed
OversignHeaders From
InternalHosts {host}
Syslog no
"""

_DOORS: Final = """\
{host}:{none} inet n - n - - smtpd
{host}:{starttls} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
{host}:{implicit} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""

# The services of Postfix's own master.cf, without chroot and without those that need a port.
_SERVICES: Final = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
"""

_SASL: Final = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {folder}/sasldb2
"""


class Postfix:
    """Postfix as a peer; needs root, because its parts run under an account of their own."""

    name = "Postfix"
    stores = True

    def start(self, mode: Mode, folder: Path, far_end: FarEnd | None) -> Server:
        """Write the instance, start its master and wait for the greeting."""
        _demand()
        none, starttls, implicit = free_ports(3)
        certificate, key = make_certificate(folder)
        for name in ("etc", "etc/sasl", "spool", "data"):
            (folder / name).mkdir(mode=0o755)
        shutil.chown(folder / "data", "postfix")
        main = _MAIN.format(folder=folder, programs=_PROGRAMS, certificate=certificate, key=key)
        if mode is Mode.KEEP:
            main += "smtpd_data_restrictions = check_client_access static:HOLD\n"
        elif far_end and mode is Mode.RELAY:
            main += f"relayhost = [{HOST}]:{far_end.port}\nsmtp_tls_security_level = none\n"
        command = [str(_PROGRAMS / "master"), "-c", str(folder / "etc"), "-d"]
        if far_end and mode is Mode.DIRECT:
            (milter,) = free_ports(1)
            main += _SIGNED.format(host=HOST, port=far_end.port, milter=milter)
            command = _with_opendkim(folder, milter, command)
        doors = _DOORS.format(host=HOST, none=none, starttls=starttls, implicit=implicit)
        (folder / "etc/main.cf").write_text(main)
        (folder / "etc/master.cf").write_text(doors + _SERVICES)
        (folder / "etc/sasl/smtpd.conf").write_text(_SASL.format(folder=folder))
        _copy_tables(folder / "etc")
        _add_account(folder / "sasldb2")
        log = folder / "log"
        with log.open("ab") as out:  # `check` makes the folders of the queue
            check = [find_program("postfix", "postfix"), "-c", str(folder / "etc"), "check"]
            subprocess.run(check, check=False, stdout=out, stderr=out)
        launcher = launch(command, log=log)
        await_greeting(none, launcher, log)
        return Server(
            name=self.name,
            launcher=launcher,
            ports={"none": none, "starttls": starttls, "implicit": implicit},
            password=_PASSWORD,
            forget=lambda: _forget(folder / "spool"),
            kept=(lambda: _count(folder / "spool/hold")) if mode is Mode.KEEP else None,
        )


def _with_opendkim(folder: Path, port: int, command: list[str]) -> list[str]:
    """Write OpenDKIM's key and configuration; return a command that starts it before Postfix.

    Both live below the launcher, so that the CPU of the two counts as one server's.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (folder / "dkim.key").write_bytes(pem)
    configuration = folder / "opendkim.conf"
    configuration.write_text(
        _OPENDKIM.format(milter=port, host=HOST, domain=USER.partition("@")[2], folder=folder)
    )
    milter = shlex.join([find_program("opendkim", "opendkim"), "-f", "-x", str(configuration)])
    return ["/bin/sh", "-c", f"{milter} & sleep 0.5; exec {shlex.join(command)}"]


def _demand() -> None:
    find_program("postfix", "postfix")
    find_program("saslpasswd2", "sasl2-bin")
    if os.geteuid() != 0:
        raise PeerFailed("Postfix starts as root only; run as root, or leave it out by --peers")


def _copy_tables(etc: Path) -> None:
    """Copy the lists that name Postfix's plug-ins and files."""
    for shared in _SHARED:
        for name in ("dynamicmaps.cf", "postfix-files"):
            if (shared / name).is_file():
                shutil.copy(shared / name, etc)
            if (shared / f"{name}.d").is_dir():
                shutil.copytree(shared / f"{name}.d", etc / f"{name}.d", dirs_exist_ok=True)


def _add_account(database: Path) -> None:
    local, _, domain = USER.partition("@")
    program = find_program("saslpasswd2", "sasl2-bin")
    command = [program, "-p", "-c", "-f", str(database), "-u", domain, local]
    subprocess.run(command, check=True, input=_PASSWORD.encode(), stdout=subprocess.DEVNULL)
    shutil.chown(database, "postfix")


def _forget(spool: Path) -> None:
    for queue in ("hold", "deferred", "defer", "incoming", "active"):
        for file in (spool / queue).rglob("*"):
            if file.is_file():
                file.unlink(missing_ok=True)


def _count(folder: Path) -> int:
    with os.scandir(folder) as found:
        return sum(1 for _ in found)
