"""Accounts: who may sign in, as whom they may write, and how much."""

from __future__ import annotations

from dataclasses import dataclass

from postwicket.core.address import Address


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to write as an address, or as every address of a domain.

    `pattern` is a canonical address ("news@example.org") or "@" and a domain ("@example.org").
    """

    pattern: str

    @classmethod
    def parse(cls, text: str) -> Grant:
        """Read `ann@example.org`, `@example.org` or `*@example.org`; raise ValueError.

        >>> Grant.parse("*@Example.ORG")
        Grant(pattern='@example.org')
        """
        local, at, domain = text.strip().rpartition("@")
        if at and local in {"", "*"}:
            return cls("@" + Address.parse(f"postmaster@{domain}").wire_domain)
        return cls(Address.parse(text.strip()).canonical)

    def covers(self, address: Address) -> bool:
        """Say whether this right extends to `address`."""
        if self.pattern.startswith("@"):
            return self.pattern[1:] == address.wire_domain
        return self.pattern == address.canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one account may do; None means that the server's own limit is in force."""

    messages_per_day: int | None = None
    recipients_per_day: int | None = None
    recipients_per_message: int | None = None
    message_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person or a program that sends mail; its name is a full address, in canonical form.

    `password_hash` is an Argon2id string or ""; it opens SMTP only where
    `password_over_smtp` says so, because app passwords can be revoked one by one.  `lane` is
    that of mail which does not name one: "transactional" or "bulk".
    """

    id: int
    address: str
    name: str = ""
    suspended: bool = False
    password_hash: str = ""
    password_over_smtp: bool = False
    grants: frozenset[Grant] = frozenset()
    limits: Limits = Limits()
    created: float = 0.0
    lane: str = "transactional"

    def may_write_as(self, address: Address) -> bool:
        """Say whether `address` is the account's own or granted to it."""
        return address.canonical == self.address or any(g.covers(address) for g in self.grants)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPassword:
    """A generated secret of one account for one application.

    `fingerprint` is its keyed hash (see `app_password`); the secret itself is kept nowhere.
    """

    id: int
    account: int
    label: str
    fingerprint: bytes
    created: float
    last_used: float | None = None
    last_peer: str = ""
    revoked: float | None = None
