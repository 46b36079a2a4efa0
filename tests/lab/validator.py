"""Unbound as an operator would run it for Postwicket: it validates, and says so by the AD bit."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.query

from tests.needs import need

from .program import Program, shared_port
from .zones import ADDRESS, BOGUS, LAME, ROOT, SILENT, UNSIGNED, Zones

_CONFIGURATION: Final = """\
server:
    interface: {address}
    port: {port}
    outgoing-interface: {address}
    do-ip6: no
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    directory: "{folder}"
    use-syslog: no
    verbosity: 0
    num-threads: 1
    {memory}
    module-config: "validator iterator"
    trust-anchor: "{anchor}"
    ede: yes
    do-not-query-localhost: no
    # No question leaves this machine: what is not of the laboratory does not exist.
    local-zone: "." always_nxdomain
    local-zone: "{root}" transparent
    local-zone: "{silent}" deny
remote-control:
    control-enable: no
"""
_NO_MEMORY: Final = """\
cache-max-ttl: 0
    cache-max-negative-ttl: 0
"""
_STUB: Final = """\
stub-zone:
    name: "{name}"
    stub-addr: {address}@{port}
    stub-no-cache: yes
"""


class Validator:
    """One resolver; `port` is where it answers, on 127.0.0.1.

    With `memory` it remembers what it was told, as in real life; without, what a test changes is
    true at once.
    """

    def __init__(self, folder: Path, zones: Zones, *, memory: bool = False) -> None:
        folder.mkdir()
        self.port = shared_port()
        stubs = (
            _STUB.format(name=name, address=ADDRESS, port=zones.port)
            for name in (ROOT, UNSIGNED, BOGUS, LAME)
        )
        configuration = folder / "unbound.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                address=ADDRESS,
                port=self.port,
                folder=folder,
                anchor=zones.trust_anchor(),
                root=ROOT,
                memory="" if memory else _NO_MEMORY,
                silent=SILENT,
            )
            + "".join(stubs)
        )
        command = [need("unbound"), "-d", "-p", "-c", str(configuration)]
        self._program = Program(command, folder / "log")

    @property
    def address(self) -> str:
        """Address and port, as settings write them."""
        return f"{ADDRESS}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it validates."""
        self._program.start(self._validates)

    def stop(self) -> None:
        """End it."""
        self._program.stop()

    def ask(self, name: str, kind: str, *, patience: float = 10.0) -> dns.message.Message:
        """Ask a question as a client that wants to know about validation."""
        query = dns.message.make_query(name, kind, want_dnssec=True)
        return dns.query.udp(query, ADDRESS, port=self.port, timeout=patience)

    def _validates(self) -> bool:
        try:
            answer = self.ask(ROOT, "SOA", patience=0.5)
        except (dns.exception.Timeout, OSError):
            return False
        return bool(answer.flags & dns.flags.AD)
