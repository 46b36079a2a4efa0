"""A Postfix as the recipient's own exchanger, for mail that is signed and sent over TLS.

It takes a message as any Postfix does, TLS and all, and throws it away when it has the whole
(DISCARD): the less it costs, the more of the machine is left to the server that is measured.  Its
name, its address and its certificate's TLSA record are in a signed zone, and a validating resolver
tells them.  The parts are those of the laboratory (`tests/lab`).
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.e2e.authority import TestAuthority
from tests.lab import tlsa
from tests.lab.postfix import Postfix
from tests.lab.validator import Validator
from tests.lab.zones import ROOT, Zones

from .server import HOST, FarEnd, free_ports

_NAME: Final = f"mx.{ROOT}"
_TAKEN: Final = b": discard: END-OF-MESSAGE"
_EVERY: Final = 0.02  # seconds between two looks into the log
_MAIN: Final = """\
myhostname = {name}
inet_interfaces = {host}
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all
smtpd_client_connection_count_limit = 0
smtpd_end_of_data_restrictions = check_client_access static:DISCARD
in_flow_delay = 0
smtpd_tls_cert_file = {pair.certificate}
smtpd_tls_key_file = {pair.key}
smtpd_tls_security_level = may
"""


class Receiver(FarEnd):
    """The exchanger of rcpt@lab.example, its name server and its resolver."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)
        (port,) = free_ports(1)
        self._log = folder / "postfix/maillog"
        self._over = threading.Event()
        with ExitStack() as parts:
            validator = self._names(folder, port, parts)
            self._postfix = postfix = Postfix(folder / "postfix", greeting=(HOST, port))
            main = _MAIN.format(name=_NAME, host=HOST, pair=self._pair)
            postfix.configure(main, f"{HOST}:{port} inet n - n - - smtpd\n")
            parts.callback(postfix.stop)
            postfix.start()
            self._parts = parts.pop_all()
        super().__init__(port, recipient=f"rcpt@{ROOT}", resolver=validator.address)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process below which the Postfix lives."""
        return self._postfix.pid

    def stop(self) -> None:
        """End all of it."""
        self._over.set()
        self._thread.join()
        self._parts.close()

    def _names(self, folder: Path, port: int, parts: ExitStack) -> Validator:
        """Start the name servers, and tell them who the exchanger is."""
        self._pair = TestAuthority(folder / "authority").pair("receiver", _NAME)
        zones = Zones(folder / "zones")
        parts.callback(zones.stop)
        zones.start()
        validator = Validator(folder / "validator", zones, memory=True)
        parts.callback(validator.stop)
        validator.start()
        zones.add(ROOT, "MX", f"10 {_NAME}.")
        zones.add(_NAME, "A", HOST)
        zones.add(f"_{port}._tcp.{_NAME}", "TLSA", tlsa.end_entity(self._pair.certificate))
        return validator

    def _read(self) -> None:
        """Count what the log says was taken."""
        rest = b""
        with self._log.open("rb") as log:
            while not self._over.wait(_EVERY):
                lines, newline, rest = (rest + log.read()).rpartition(b"\n")
                taken = lines.count(_TAKEN) if newline else 0
                if taken:
                    self.messages, self.last = self.messages + taken, time.perf_counter()
