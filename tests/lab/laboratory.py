"""The laboratory: a small internet on loopback addresses, made of real parts.

    laboratory = Laboratory(folder)
    laboratory.start()
    server = Postwicket(folder, settings=laboratory.settings())
    ...
    laboratory.stop()

It has name servers, a policy host, three Postfix receivers and as many hostile ones as are
wanted.  All mail exchangers listen on one port (`[delivery] port`), each on an address of its
own, in a network that is chosen by chance, so that several laboratories live side by side.
Receivers start when they are first asked for.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.e2e.authority import TestAuthority
from tests.needs import missing

from . import tlsa
from .greylist import Greylist
from .hostile import Hostile, Misdeed, Visits
from .policies import PolicyHost, may_listen
from .program import shared_port
from .receivers import Receiver
from .validator import Validator
from .zones import ROOT, Zones

GREYLISTED_FOR: Final = 1.0  # seconds
HTTPS: Final = 443
_SETTINGS: Final = """\
[[route]]
senders = ["<>", ""]
via = "capture"

[[route]]
via = "direct"
{route}

[queue]
retry = ["1s"]
{queue}

[limits]
messages_per_day = 1_000_000
recipients_per_day = 1_000_000

[delivery]
resolver = "{resolver}"
dnssec = true
port = {port}
ip = "ipv4"
allow_networks = ["127.0.0.0/8"]
ca = "{ca}"
{delivery}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A domain whose exchanger was made for the test, and what that has seen."""

    domain: str
    visits: Visits

    def address(self, local: str = "ann") -> str:
        """Return a mailbox there."""
        return f"{local}@{self.domain}"


class Laboratory:
    """Everything of it; `plain`, `dane` and `strict` are the Postfix receivers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._network = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        self._numbers = itertools.count(10)
        self._receivers: list[Receiver] = []
        self._greylist: Greylist | None = None
        self.port = shared_port()
        self.authority = TestAuthority(folder / "authority")
        self.stranger = TestAuthority(folder / "stranger", name="Somebody else")
        self.zones = Zones(folder / "zones")
        self.validator: Validator | None = None
        self.hostile = Hostile(self.port)

    def start(self) -> None:
        """Start the name servers and the hostile receiver."""
        self.hostile.__enter__()
        self.zones.start()
        self.validator = Validator(self._folder / "validator", self.zones)
        self.validator.start()

    def stop(self) -> None:
        """End everything that was started."""
        for receiver in self._receivers:
            receiver.stop()
        if self._greylist is not None:
            self._greylist.stop()
        if "policies" in self.__dict__:
            self.policies.stop()
        self.hostile.__exit__()
        if self.validator is not None:
            self.validator.stop()
        self.zones.stop()

    def settings(self, *, route: str = "", queue: str = "", delivery: str = "") -> str:
        """Return settings for a server that sends straight to the exchangers of the laboratory.

        Notices to senders stay in its inbox.  What is given is added to the sections.
        """
        assert self.validator is not None, "the laboratory has not been started"
        return _SETTINGS.format(
            resolver=self.validator.address,
            port=self.port,
            ca=self.authority.ca,
            route=route,
            queue=queue,
            delivery=delivery,
        )

    def address(self) -> str:
        """Return a loopback address that nobody else has."""
        return f"{self._network}.{next(self._numbers)}"

    # --- domains --------------------------------------------------------------------------

    def domain(self, name: str, *exchangers: str) -> str:
        """Let a domain have these exchangers, the first preferred; return it in full."""
        domain = f"{name}.{ROOT}"
        records = (f"{10 * number} {host}." for number, host in enumerate(exchangers, 1))
        self.zones.add(domain, "MX", *records)
        return domain

    def exchanger(self, name: str, address: str, *tlsa_records: str) -> str:
        """Let a host have an address, and TLSA records; return its name in full."""
        host = f"{name}.{ROOT}"
        self.zones.add(host, "A", address)
        if tlsa_records:
            self.zones.add(f"_{self.port}._tcp.{host}", "TLSA", *tlsa_records)
        return host

    def misbehaving(self, name: str, misdeed: Misdeed, *tlsa_records: str) -> Site:
        """Make a domain with a hostile exchanger `mx.` of its own."""
        address = self.address()
        visits = self.hostile.listen(address, misdeed)
        host = self.exchanger(f"mx.{name}", address, *tlsa_records)
        return Site(self.domain(name, host), visits)

    # --- receivers ------------------------------------------------------------------------

    @cached_property
    def plain(self) -> Receiver:
        """The exchanger of plain.lab.example: no TLS."""
        receiver = self._receiver("plain")
        receiver.start()
        self.domain("plain", receiver.name)
        return receiver

    @cached_property
    def dane(self) -> Receiver:
        """The exchanger of dane.lab.example (`3 1 1`) and dane-ta.lab.example (`2 0 1`)."""
        receiver = self._receiver("dane")
        by_authority = self.exchanger(
            "mx.dane-ta", receiver.address, tlsa.trust_anchor(self.authority.ca)
        )
        pair = self.authority.pair("dane", receiver.name, by_authority, chain=True)
        receiver.encrypt(pair)
        receiver.start()
        self.exchanger("mx.dane", receiver.address, tlsa.end_entity(pair.certificate))
        self.domain("dane", receiver.name)
        self.domain("dane-ta", by_authority)
        return receiver

    @cached_property
    def strict(self) -> Receiver:
        """The exchanger of strict.lab.example: greylists and limits."""
        self._greylist = Greylist(wait=GREYLISTED_FOR)
        receiver = self._receiver("strict")
        receiver.limit(self._greylist.port)
        receiver.start()
        self.domain("strict", receiver.name)
        return receiver

    def introduce(self, recipient: str, sender: str = "ann@example.org") -> None:
        """Let the greylist know our server, this sender and this recipient already."""
        assert self._greylist is not None, "the strict receiver has not been started"
        self._greylist.met["127.0.0.1", sender, recipient] = -GREYLISTED_FOR

    @cached_property
    def policies(self) -> PolicyHost:
        """The host of MTA-STS policies, on port 443."""
        address = self.address()
        if not may_listen(address, HTTPS):
            missing("MTA-STS policies lie on port 443, where only root may listen")
        host = PolicyHost(address, HTTPS, self.authority, self.stranger)
        host.start()
        return host

    def publish(self, domain: str, policy: str, *, version: str = "1", **how: object) -> None:
        """Publish an MTA-STS policy in DNS and on the policy host; see `policies.Page`."""
        self.policies.publish(domain, policy, **how)
        self.zones.add(f"mta-sts.{domain}", "A", self.policies.address)
        self.zones.add(f"_mta-sts.{domain}", "TXT", f'"v=STSv1; id={version};"')

    def _receiver(self, kind: str) -> Receiver:
        name = f"mx.{kind}"
        receiver = Receiver(self._folder / kind, f"{name}.{ROOT}", self.address(), self.port)
        self._receivers.append(receiver)
        self.exchanger(name, receiver.address)
        return receiver
