"""Knot with the zones of the laboratory: what is true of them can be changed at any time.

    zones.add("plain.lab.example", "MX", "10 mx.plain.lab.example.")

`lab.example` is signed and everything of a laboratory is below it.  Three zones of their own
show what can go wrong: `unsigned.lab.example` says nothing about DNSSEC, the signatures of
`bogus.lab.example` are correct but over, and of `lame.lab.example` its own name server knows
nothing.  About `silent.lab.example` the resolver says nothing at all.
"""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.update
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm, DSDigest

from tests.needs import need

from .program import Program, shared_port

ROOT: Final = "lab.example"
UNSIGNED: Final = f"unsigned.{ROOT}"
BOGUS: Final = f"bogus.{ROOT}"
LAME: Final = f"lame.{ROOT}"
SILENT: Final = f"silent.{ROOT}"
ADDRESS: Final = "127.0.0.1"
TTL: Final = 3600  # seconds

_CONFIGURATION: Final = """\
server:
    listen: {address}@{port}
    rundir: {folder}/run
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}/keys
log:
  - target: stderr
    any: warning
acl:
  - id: here
    address: {address}
    action: update
policy:
  - id: laboratory
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: {folder}
    file: "%s.zone"
    zonefile-sync: -1
    acl: here
    dnssec-policy: laboratory
zone:
  - domain: {root}
    dnssec-signing: on
  - domain: {unsigned}
  - domain: {bogus}
  - domain: {lame}
"""
_ZONE: Final = """\
$ORIGIN {name}.
$TTL {ttl}
@ SOA ns.{root}. hostmaster.{root}. 1 3600 600 86400 300
@ NS ns.{root}.
"""
_DELEGATIONS: Final = """\
ns A {address}
unsigned NS ns
bogus NS ns
bogus DS {ds}
lame NS ns
"""


class Zones:
    """One name server; `port` is where it answers, on 127.0.0.1, by UDP and TCP."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = shared_port()
        for name in ("run", "keys"):
            (folder / name).mkdir(parents=True)
        expired, ds = _expired_zone()
        delegations = _DELEGATIONS.format(address=ADDRESS, ds=ds)
        self._write(ROOT, _zone(ROOT) + delegations)
        self._write(UNSIGNED, _zone(UNSIGNED))
        self._write(BOGUS, expired)
        self._configuration = folder / "knot.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                address=ADDRESS,
                port=self.port,
                root=ROOT,
                unsigned=UNSIGNED,
                bogus=BOGUS,
                lame=LAME,
            )
        )
        command = [need("knotd", "knot"), "-c", str(self._configuration)]
        self._program = Program(command, folder / "log")

    def start(self) -> None:
        """Start it, and wait until the zone is signed."""
        self._program.start(lambda: bool(self._ask(ROOT, "DNSKEY")))

    def stop(self) -> None:
        """End it."""
        self._program.stop()

    def add(self, name: str, kind: str, *records: str) -> None:
        """Let these be the records of a name and kind, in the place of what there was.

        Targets end in a dot.  Without records there are none of this kind any more.
        """
        self.add_all({(name, kind): records})

    def add_all(self, wanted: Mapping[tuple[str, str], tuple[str, ...]]) -> None:
        """Do what `add` does for many names at a time; they are all in one zone."""
        zone = UNSIGNED if all(name.endswith(UNSIGNED) for name, _ in wanted) else ROOT
        update = dns.update.UpdateMessage(zone)
        for (name, kind), records in wanted.items():
            absolute = dns.name.from_text(name)
            update.delete(absolute, kind)
            for record in records:
                update.add(absolute, TTL, kind, record)
        answer = dns.query.tcp(update, ADDRESS, port=self.port, timeout=10)
        assert answer.rcode() == dns.rcode.NOERROR, answer

    def trust_anchor(self) -> str:
        """Return the DS record of the signed zone, as a line of a zone file."""
        command = [need("keymgr", "knot"), "-c", str(self._configuration), ROOT, "ds"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.splitlines()[0]

    def _write(self, name: str, text: str) -> None:
        (self._folder / f"{name}.zone").write_text(text)

    def _ask(self, name: str, kind: str) -> list[str]:
        try:
            query = dns.message.make_query(name, kind)
            answer = dns.query.udp(query, ADDRESS, port=self.port, timeout=0.2)
        except (dns.exception.Timeout, OSError):
            return []
        return [str(record) for rrset in answer.answer for record in rrset]


def _zone(name: str) -> str:
    return _ZONE.format(name=name, root=ROOT, ttl=TTL)


def _expired_zone() -> tuple[str, str]:
    """Return the zone whose signatures ended yesterday, and the DS record that vouches for it."""
    text = _zone(BOGUS) + f"@ MX 10 mx.plain.{ROOT}.\n@ TXT here\n"
    zone = dns.zone.from_text(text, BOGUS, relativize=False)
    private = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(private.public_key(), Algorithm.ECDSAP256SHA256, flags=257)
    yesterday = dt.datetime.now(tz=dt.UTC) - dt.timedelta(days=1)
    dns.dnssec.sign_zone(
        zone,
        keys=[(private, public)],
        inception=yesterday - dt.timedelta(days=7),
        expiration=yesterday,
    )
    ds = dns.dnssec.make_ds(f"{BOGUS}.", public, DSDigest.SHA256)
    return zone.to_text(relativize=False), str(ds)
