"""Settings about connections: where mail comes in, how it travels, where it goes.

A listener that would give a password away, or let a stranger send, cannot be constructed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from postwicket.core.secret import Secret

from .errors import ConfigError, Problem
from .presets import PRESETS
from .values import (
    AccountName,
    Duration,
    File,
    Glob,
    HostName,
    Network,
    Password,
    SourceAddress,
    is_loopback,
    socket_address,
    too_wide,
)

TlsMode = Literal["starttls", "implicit", "none"]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
KNOWN_WAYS: Final = ("direct", "capture", "discard")
_PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}


class Section(BaseModel):
    """A frozen group of settings that knows no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Listener(Section):
    """An address and port where clients connect."""

    address: str = Field(description="Address and port, like 0.0.0.0:587; port 0 is any free one.")
    kind: Literal["submission", "inbound", "http"] = Field(
        default="submission",
        description="What is spoken: submission (SMTP with sign-in), inbound (bounces and "
        "reports on port 25, nothing else) or http.",
    )
    tls: TlsMode = Field(
        default="starttls",
        description="starttls, implicit, or none (only on loopback or with networks). "
        "An http listener has none.",
    )
    networks: tuple[Network, ...] = Field(
        default=(), description="Who may connect; empty means anybody."
    )
    account: AccountName | None = Field(
        default=None,
        description="Sessions act as this account without signing in; needs loopback or networks.",
    )
    proxy: tuple[Network, ...] = Field(
        default=(),
        description="Peers whose PROXY protocol header (v1 or v2) is required and believed.",
    )

    @model_validator(mode="before")
    @classmethod
    def _http_has_no_tls(cls, given: object) -> object:
        if isinstance(given, Mapping) and given.get("kind") == "http" and "tls" not in given:
            return {**given, "tls": "none"}
        return given

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        socket_address(self.address)
        if self.kind == "inbound":
            return self._is_inbound()
        if self.kind == "http":
            return self._is_safe_http()
        guarded = is_loopback(self.host) or bool(self.networks)
        wide = None if is_loopback(self.host) else too_wide(self.networks)
        for setting, danger in (
            (self.tls == "none" and 'tls = "none"', "passwords and mail would cross it in clear"),
            (self.account and "account", "any stranger could send mail as that account"),
        ):
            if setting and not guarded:
                raise ValueError(
                    f"{setting} on {self.address} is refused, because {danger}; "
                    "listen on 127.0.0.1 or [::1], or name the clients in `networks`"
                )
            if setting and wide:
                raise ValueError(
                    f"{setting} with the network {wide} is refused, because that is nobody in "
                    f"particular and {danger}; name the clients' own networks"
                )
        return self

    def _is_inbound(self) -> Self:
        if self.account is not None:
            raise ValueError("`account` is for submission listeners; take it out of this one")
        if self.tls == "implicit":
            raise ValueError(
                'other servers do not begin with TLS on port 25; write tls = "starttls"'
            )
        return self

    def _is_safe_http(self) -> Self:
        if self.tls != "none":
            raise ValueError(
                "an http listener has no TLS of its own yet; "
                'write tls = "none" and put a proxy with TLS in front'
            )
        if self.account is not None:
            raise ValueError("`account` is for submission listeners; take it out of this one")
        if not is_loopback(self.host) and (not self.networks or too_wide(self.networks)):
            raise ValueError(
                f"http on {self.address} is refused, because it shows captured mail without a "
                "sign-in; listen on 127.0.0.1 or [::1], or name the readers in `networks`"
            )
        return self

    @property
    def host(self) -> str:
        """The IP address."""
        return socket_address(self.address)[0]

    @property
    def port(self) -> int:
        """The port; 0 is any free one."""
        return socket_address(self.address)[1]

    @property
    def name(self) -> str:
        """What logs call it."""
        return f"{self.kind} {self.address}"


class Tls(Section):
    """The certificate that clients see.  Without this section Postwicket makes its own."""

    certificate: File = Field(description="PEM file: the certificate, then its chain.")
    key: File = Field(description="PEM file: the private key.")
    tickets: int = Field(
        default=0,
        ge=0,
        le=8,
        description="TLS 1.3 session tickets per connection; each costs time at every sign-in.",
    )


class Route(Section):
    """Which deliveries travel how; the first route that matches wins, without one: capture."""

    recipients: tuple[Glob, ...] = Field(
        default=(), description="Patterns like *@example.com for the recipient; empty is any."
    )
    senders: tuple[Glob, ...] = Field(
        default=(), description="Patterns for the envelope sender; empty is any."
    )
    accounts: tuple[Glob, ...] = Field(
        default=(), description="Patterns for the account; empty is any."
    )
    lanes: tuple[Glob, ...] = Field(default=(), description="transactional or bulk; empty is any.")
    via: str = Field(
        description="direct (to the recipient's own mail exchanger), upstream:NAME, capture (keep "
        "in the inbox) or discard."
    )
    source_address: SourceAddress | None = Field(
        default=None, description="Local IP address to connect from; default: delivery's."
    )
    uncertain: Literal["retry", "hold"] = Field(
        default="retry",
        description="When the answer to a whole message was lost: send it again with the same "
        "Message-ID, or hold it for a person to decide.",
    )
    uncertain_pause: Duration = Field(
        default=900.0, description="How long to wait before an uncertain message is sent again."
    )

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        known = self.via in KNOWN_WAYS or self.upstream is not None
        if not known:
            guess = get_close_matches(self.via, [*KNOWN_WAYS, "upstream:"], n=1)
            hint = f"; did you mean {guess[0]!r}?" if guess else "; write upstream:NAME or capture"
            raise ValueError(f"via = {self.via[:60]!r} leads nowhere{hint}")
        return self

    @property
    def upstream(self) -> str | None:
        """The upstream's name, or None where the route has none."""
        kind, _, name = self.via.partition(":")
        return name if kind == "upstream" and name else None


class Upstream(Section):
    """A mail server that takes our mail and sends it on."""

    name: str = Field(description="What routes call it.")
    preset: str | None = Field(
        default=None, description="A known provider; fills in host, port and tls."
    )
    host: HostName = Field(description="Name or IP address of the server.")
    port: int = Field(default=587, ge=1, le=65_535, description="587, 465 or 25, after `tls`.")
    tls: TlsMode = Field(default="starttls", description="starttls, implicit or none.")
    auth: Literal["plain", "login", "none"] = Field(
        default="none", description="How to sign in; plain when there is a username."
    )
    username: str | None = Field(default=None, description="The user name at that server.")
    password: Password | None = Field(
        default=None, description="The password; a password_file is better."
    )
    password_file: File | None = Field(
        default=None, description="A file with the password in its first line."
    )
    ca: File | None = Field(
        default=None, description="PEM file of the authority to trust; default: the system's."
    )
    verify: bool = Field(default=True, description="Check the server's certificate.  Leave it on.")
    connections: int = Field(default=10, ge=1, le=1000, description="At once, per worker.")
    messages_per_connection: int = Field(
        default=100, ge=1, description="Then a new connection is made."
    )
    idle: Duration = Field(default=30.0, description="How long a connection waits for more mail.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        filled: dict[str, Any] = dict(given)
        preset = filled.get("preset")
        if preset is not None:
            if preset not in PRESETS:
                guess = get_close_matches(str(preset), list(PRESETS), n=1)
                hint = (
                    f"did you mean {guess[0]!r}?" if guess else "give host, port and tls instead"
                )
                raise ValueError(f"preset {str(preset)[:40]!r} is not known yet; {hint}")
            filled = {**PRESETS[preset], **filled}
        if isinstance(filled.get("tls", "starttls"), str):
            filled.setdefault("port", _PORTS.get(filled.get("tls", "starttls"), 587))
        if filled.get("username") is not None:
            filled.setdefault("auth", "plain")
        return filled

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name[:60]!r} is not a name for an upstream; "
                "use letters, digits, dot, dash and underscore"
            )
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both given; keep password_file")
        has_secret = self.password is not None or self.password_file is not None
        if self.auth != "none" and not (self.username and has_secret):
            raise ValueError(
                f'auth = "{self.auth}" needs a username and a password; '
                'give username and password_file, or write auth = "none"'
            )
        if self.auth != "none" and self.tls == "none" and not is_loopback(self.host):
            raise ValueError(
                'tls = "none" with a sign-in is refused, because the password would cross the '
                'network in clear; write tls = "starttls" or "implicit"'
            )
        return self

    def secret(self) -> Secret | None:
        """Return the password, reading its file now; raise `ConfigError` when that fails."""
        if self.password_file is None:
            return self.password
        return read_secret(self.password_file, "upstream.password_file")

    @property
    def peer(self) -> str:
        """Host and port, for logs."""
        return f"{self.host}:{self.port}"


def read_secret(file: Path, key: str) -> Secret:
    """Return the first line of a secret's file; raise `ConfigError` when there is none."""
    try:
        first = file.read_text(encoding="utf-8").partition("\n")[0].strip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ConfigError(
            Problem("", key, f"cannot read {file}: {reason}; check the path and who may read it")
        ) from None
    if not first:
        raise ConfigError(Problem("", key, f"{file} is empty; put the password in its first line"))
    return Secret(first)
