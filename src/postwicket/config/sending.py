"""Settings about delivery to the world: names, safety, pace, signatures, what comes back."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from .transport import Section
from .values import (
    AccountName,
    Duration,
    File,
    Glob,
    HostName,
    Network,
    SourceAddress,
    name_server,
)

TlsDemand = Literal["opportunistic", "encrypt", "verify", "dane"]
_WEEK: Final = 604_800.0


NameServer = Annotated[str, BeforeValidator(name_server)]


class DeliverySettings(Section):
    """How we talk to other servers (times as RFC 5321 section 4.5.3.2 suggests)."""

    source_address: SourceAddress | None = Field(
        default=None,
        description="Local IP address to connect from, or a list with one of each family; with "
        "one only, the other family is not used.",
    )
    connect_timeout: Duration = Field(default=30.0, gt=0, description="Time to connect.")
    command_timeout: Duration = Field(default=300.0, gt=0, description="Time for one reply.")
    data_timeout: Duration = Field(
        default=600.0, gt=0, description="Time for the reply to a whole message."
    )
    attempts_at_once: int = Field(default=100, ge=1, le=10_000, description="Per worker.")
    port: int = Field(
        default=25, ge=1, le=65_535, description="Where mail exchangers listen; 25 in the world."
    )
    ip: Literal["prefer-ipv6", "prefer-ipv4", "ipv6", "ipv4"] = Field(
        default="prefer-ipv6", description="Which addresses of an exchanger are tried, and first."
    )
    allow_networks: tuple[Network, ...] = Field(
        default=(),
        description="Private, loopback and other special networks in which exchangers may be; "
        "such an exchanger is refused otherwise.",
    )
    resolver: tuple[NameServer, ...] = Field(
        default=(),
        description="Name servers, like 127.0.0.1 or 127.0.0.1:5353; default: the system's.",
    )
    dnssec: bool = Field(
        default=False,
        description="The resolver validates DNSSEC and nobody is between it and us: believe its "
        "AD bit.  DANE needs it.",
    )
    mta_sts: bool = Field(
        default=True, description="Keep to the MTA-STS policies of recipients' domains (RFC 8461)."
    )
    dane: bool = Field(
        default=True, description="Keep to TLSA records (RFC 7672), where `dnssec` is set."
    )
    ca: File | None = Field(
        default=None,
        description="PEM file of the authorities to trust for exchangers and MTA-STS hosts; "
        "default: the system's.",
    )

    @field_validator("resolver", mode="before")
    @classmethod
    def _one_is_a_list(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given


class Destination(Section):
    """A rule for some destinations; the first that matches wins."""

    domains: tuple[Glob, ...] = Field(
        default=(), description="Patterns like example.com for the recipient's domain."
    )
    exchangers: tuple[Glob, ...] = Field(
        default=(), description="Patterns like *.google.com for the names of mail exchangers."
    )
    tls: TlsDemand = Field(
        default="opportunistic",
        description="opportunistic, encrypt (no clear text), verify (certificate for the "
        "exchanger's name) or dane (secure TLSA records).  Never weaker than what the "
        "recipient's domain publishes.",
    )
    connections: int | None = Field(
        default=None, ge=1, le=10_000, description="At once, for the whole server."
    )
    messages_per_connection: int | None = Field(
        default=None, ge=1, description="Then a new connection is made."
    )
    messages_per_minute: int | None = Field(
        default=None, ge=1, description="For the whole server."
    )

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if not self.domains and not self.exchangers:
            raise ValueError(
                'a destination needs `domains` or `exchangers`; write domains = ["*"] for all'
            )
        return self


class SigningSettings(Section):
    """DKIM signatures (RFC 6376) for the domains that have a key."""

    dkim: bool = Field(default=True, description="Sign.")
    expires: Duration = Field(
        default=_WEEK,
        ge=3600,
        description="How long a signature is good; longer than the queue's.",
    )
    rotate_after: Duration = Field(
        default=0.0,
        ge=0,
        description="Make new keys when a domain's are this old, and let them sign once their "
        "records are published; 0 leaves it to `domain rotate`.",
    )


class ReturnSettings(Section):
    """What comes back: bounces, complaints, unsubscribes."""

    domain: HostName | None = Field(
        default=None,
        description="Domain of the signed return paths; its MX is this server's inbound listener."
        "  Without it, mail leaves with the sender's own address.",
    )
    postmaster: AccountName | None = Field(
        default=None,
        description="Where mail to postmaster@, abuse@ and report addresses is sent on; default: "
        "the local inbox.",
    )
    suppress_bounces_for: Duration = Field(
        default=2_592_000.0,
        description="How long an address that does not exist is not written to; 0 is off.",
    )
    unsubscribe_url: str | None = Field(
        default=None,
        description="Where this server's web listener is reached from outside, like "
        "https://mail.example.org; for one-click unsubscribes (RFC 8058).",
    )

    @model_validator(mode="after")
    def _is_https(self) -> Self:
        url = self.unsubscribe_url
        if url is not None and (not url.startswith("https://") or not url.isprintable()):
            raise ValueError(
                f"unsubscribe_url {url[:60]!r} is no https address (RFC 8058 wants one); "
                "write it like https://mail.example.org"
            )
        return self


class TlsReportSettings(Section):
    """Daily reports about TLS to the domains that ask for them (RFC 8460)."""

    send: bool = Field(default=True, description="Count results, and send the reports.")
    sender: AccountName | None = Field(
        default=None, description="Who the reports are from; default: tlsrpt@ and the hostname."
    )
