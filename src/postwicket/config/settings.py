"""Everything that can be set, as frozen values.  Each description is its documentation.

`Settings` is what the rest of the server gets; it cannot be constructed unsafe.  Times are
seconds, sizes octets; in a file they may be written "90s", "2h", "25M".
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from .sending import (
    DeliverySettings,
    Destination,
    ReturnSettings,
    SigningSettings,
    TlsReportSettings,
)
from .transport import Listener, Route, Section, Tls, TlsMode, Upstream
from .values import Duration, File, HostName, Size, is_loopback, socket_address


def _hours(count: float) -> float:
    return count * 3600.0


class QueueSettings(Section):
    """How long mail waits, and how often it is tried."""

    retry: tuple[Duration, ...] = Field(
        default=(60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0),
        min_length=1,
        description="Pauses between attempts; the last one repeats.",
    )
    expire: Duration = Field(
        default=_hours(120), description="Give up after this time and tell the sender."
    )
    delay_notice: Duration = Field(
        default=_hours(4), description="Tell the sender that mail is late after this time."
    )
    keep: Duration = Field(
        default=_hours(720), description="How long finished messages can be traced."
    )
    hold_at_most: Duration = Field(
        default=_hours(720),
        ge=0,
        le=999_999_999,
        description="How long a message may ask to be held before it leaves (FUTURERELEASE, "
        "RFC 4865); 0 turns it off.",
    )
    window: int = Field(
        default=1000, ge=1, le=100_000, description="Deliveries in memory at once, per worker."
    )


class LimitSettings(Section):
    """What every account may do; an account can have limits of its own."""

    messages_per_day: int = Field(default=2000, ge=1, description="In any 24 hours.")
    recipients_per_day: int = Field(default=10_000, ge=1, description="In any 24 hours.")
    recipients_per_message: int = Field(
        default=100, ge=1, description="RCPT commands per message; RFC 5321 wants 100 or more."
    )
    message_size: Size = Field(default=35_882_577, ge=1024, description="Octets of one message.")
    priority: int = Field(
        default=4,
        ge=0,
        le=9,
        description="The highest MT-PRIORITY (RFC 6710) that is granted; what is asked for beyond "
        "it is lowered, and the reply says so.",
    )


class SessionSettings(Section):
    """What one client may take: time, connections, patience."""

    timeout: Duration = Field(
        default=300.0, gt=0, description="Silence before we hang up (RFC 5321 4.5.3.2.7)."
    )
    handshake: Duration = Field(default=30.0, gt=0, description="Time for a TLS handshake.")
    total: Duration = Field(default=3600.0, gt=0, description="Longest life of one session.")
    greeting_wait: Duration = Field(
        default=3.0,
        gt=0,
        description="Silence on an implicit-TLS port before we say which port was meant.",
    )
    per_address: int = Field(
        default=100, ge=1, description="Connections of one IP address, per worker."
    )
    connections: int = Field(default=20_000, ge=1, description="Connections in all, per worker.")
    min_rate: int = Field(
        default=100, ge=0, description="Octets per second of a message, at least."
    )
    password_checks: int = Field(
        default=2, ge=1, le=64, description="Account passwords checked at once, per worker."
    )


class Host(Section):
    """A static answer for a name, in place of DNS: laboratories, tests, split horizon."""

    name: HostName = Field(description="The host's name.")
    address: str = Field(description="Its IP address, or address and port.")

    @model_validator(mode="after")
    def _is_an_address(self) -> Self:
        _ = self.target
        return self

    @property
    def target(self) -> tuple[str, int | None]:
        """The IP address, and the port if one is given."""
        try:
            return str(ip_address(self.address.strip("[]"))), None
        except ValueError:
            return socket_address(self.address)


class SendmailSettings(Section):
    """How postwicket-sendmail and `postwicket send` hand mail in."""

    host: str = Field(default="127.0.0.1", description="Where Postwicket listens.")
    port: int = Field(default=587, ge=1, le=65_535, description="Its port.")
    tls: TlsMode = Field(default="starttls", description="starttls, implicit or none.")
    username: str | None = Field(default=None, description="The account's address.")
    password_file: File | None = Field(
        default=None, description="A file with an app password of that account."
    )
    ca: File | None = Field(
        default=None, description="PEM file of the authority to trust; default: ca.pem in data."
    )
    spool: File | None = Field(
        default=None, description="Where mail waits while the server is down; default: data/spool."
    )

    @model_validator(mode="after")
    def _keeps_the_secret(self) -> Self:
        if self.password_file and self.tls == "none" and not is_loopback(self.host):
            raise ValueError(
                'tls = "none" with a password is refused, because it would cross the network in '
                'clear; write tls = "starttls"'
            )
        return self


class LogSettings(Section):
    """What the server says while it runs."""

    format: Literal["auto", "human", "json"] = Field(
        default="auto", description="auto is human on a terminal, JSON otherwise."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important line that is written."
    )


class Settings(Section):
    """The whole configuration.

    >>> Settings(hostname="Mail.Example.org").listener[1].name
    'submission 0.0.0.0:465'
    """

    hostname: HostName = Field(
        description="This server's full name: EHLO, Received, Message-ID, own certificate."
    )
    data: File = Field(
        default=Path("/var/lib/postwicket"), description="Folder for database, bodies and keys."
    )
    database: str | None = Field(
        default=None, description="Only SQLite under data exists yet; leave it out."
    )
    user: str | None = Field(default=None, description="Run as this user once ports are open.")
    group: str | None = Field(default=None, description="Run as this group; default: the user's.")
    workers: int | None = Field(
        default=None, ge=1, le=256, description="Mail processes; default: one per core."
    )
    listener: tuple[Listener, ...] = Field(
        default=(
            Listener(address="0.0.0.0:587"),
            Listener(address="0.0.0.0:465", tls="implicit"),
        ),
        description="Where clients connect.",
    )
    tls: Tls | None = Field(default=None, description="Certificate; without it our own authority.")
    route: tuple[Route, ...] = Field(
        default=(), description="How deliveries travel; without any: capture."
    )
    upstream: tuple[Upstream, ...] = Field(default=(), description="Servers to send through.")
    queue: QueueSettings = Field(default=QueueSettings(), description="Waiting and retrying.")
    limits: LimitSettings = Field(default=LimitSettings(), description="Limits of each account.")
    host: tuple[Host, ...] = Field(default=(), description="Static name answers.")
    session: SessionSettings = Field(default=SessionSettings(), description="Limits of clients.")
    delivery: DeliverySettings = Field(default=DeliverySettings(), description="Sending.")
    destination: tuple[Destination, ...] = Field(
        default=(), description="Rules for some destinations."
    )
    signing: SigningSettings = Field(default=SigningSettings(), description="DKIM.")
    returns: ReturnSettings = Field(default=ReturnSettings(), description="What comes back.")
    tls_reports: TlsReportSettings = Field(
        default=TlsReportSettings(), description="Reports about TLS."
    )
    sendmail: SendmailSettings = Field(
        default=SendmailSettings(), description="The sendmail command's way in."
    )
    log: LogSettings = Field(default=LogSettings(), description="What is logged, and how.")

    @model_validator(mode="after")
    def _can_do_dane(self) -> Self:
        for index, rule in enumerate(self.destination):
            if rule.tls == "dane" and not (self.delivery.dnssec and self.delivery.dane):
                raise ValueError(
                    f'destination[{index}].tls: "dane" needs DNSSEC, and no mail would ever go; '
                    "set `dnssec` (and `dane`) in [delivery], with a validating resolver, or "
                    'write tls = "verify"'
                )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.database is not None:
            raise ValueError(
                "database: only SQLite exists yet; leave `database` out, it is kept under `data`"
            )
        names = [upstream.name for upstream in self.upstream]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two upstreams are called {name!r}; give each its own name")
        for index, route in enumerate(self.route):
            if route.upstream is not None and route.upstream not in names:
                raise ValueError(_no_such_upstream(index, route.upstream, names))
        ports: dict[str, int | None] = {}
        for host in self.host:
            if ports.setdefault(host.name, host.target[1]) != host.target[1]:
                raise ValueError(f"the [[host]] entries of {host.name} differ in their ports")
        if self.signing.expires <= self.queue.expire:
            raise ValueError(
                "signing.expires: mail could outlive its signature; make it longer than "
                "queue.expire"
            )
        return self

    @property
    def worker_count(self) -> int:
        """How many mail processes run."""
        return self.workers or os.cpu_count() or 1


def _no_such_upstream(index: int, name: str, names: list[str]) -> str:
    guess = get_close_matches(name, names, n=1)
    hint = f"did you mean {guess[0]!r}?" if guess else f'add [[upstream]] name = "{name}"'
    return f"route[{index}].via: there is no upstream {name!r}; {hint}"
