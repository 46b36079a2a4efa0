"""Who may hand mail in, and for whom it is signed: the interfaces of accounts and domains.

For sign-in and for people: plain calls that answer at once.  Times are seconds since 1970 in
UTC.  Every method may raise `StorageUnavailable`.
"""

from __future__ import annotations

from typing import Protocol

from postwicket.identity.account import Account, AppPassword, Grant, Limits
from postwicket.trust.keys import Algorithm, DkimKey, Domain


class Directory(Protocol):
    """Accounts and their app passwords.  Addresses are canonical.

    Whoever changes them records it (`Store.record`).
    """

    def generation(self) -> int:
        """Return a number that differs after every change to an account, domain or key.  Cheap.

        Live sessions ask it before each command, so that `suspend` and `revoke` stop them.
        """
        ...

    def account(self, address: str) -> Account | None:
        """Return the account, or None."""
        ...

    def accounts(self) -> list[Account]:
        """Return all accounts, by address."""
        ...

    def add_account(self, address: str, *, name: str, password_hash: str, now: float) -> Account:
        """Make an account; raise `Conflict` if it exists."""
        ...

    def change_account(
        self,
        address: str,
        *,
        suspended: bool | None = None,
        password_hash: str | None = None,
        password_over_smtp: bool | None = None,
        limits: Limits | None = None,
        lane: str | None = None,
    ) -> Account:
        """Change what is not None; raise `Conflict` if there is no such account."""
        ...

    def remove_account(self, address: str) -> None:
        """Delete the account, its grants and app passwords; raise `Conflict`.  Mail stays."""
        ...

    def grant(self, address: str, grant: Grant) -> Account:
        """Give a right to write as; raise `Conflict` if there is no such account."""
        ...

    def withdraw(self, address: str, grant: Grant) -> Account:
        """Take a right away; raise `Conflict` if it was not given."""
        ...

    def add_app_password(
        self, address: str, *, label: str, fingerprint: bytes, now: float
    ) -> AppPassword:
        """Record an app password; raise `Conflict` if there is no such account."""
        ...

    def app_passwords(self, address: str) -> list[AppPassword]:
        """Return all of the account's app passwords, oldest first, revoked ones too."""
        ...

    def revoke_app_password(self, address: str, id: int, *, now: float) -> AppPassword:
        """End an app password at once; raise `Conflict` if the account has none such."""
        ...

    def used_app_password(self, id: int, *, now: float, peer: str) -> None:
        """Remember the last use.  May be late by a batch; never makes a sign-in wait."""
        ...


class Domains(Protocol):
    """The domains that mail is signed for, and their keys.  Names are lower case, A-labels.

    A change advances `Directory.generation`, so that running workers see it at once.  Whoever
    changes them records it (`Store.record`).
    """

    def domains(self) -> list[Domain]:
        """Return all domains, by name."""
        ...

    def domain(self, name: str) -> Domain | None:
        """Return the domain, or None."""
        ...

    def add_domain(self, name: str, *, token: str, now: float) -> Domain:
        """Make a domain that is not verified; raise `Conflict` if it exists."""
        ...

    def verify_domain(self, name: str, *, now: float) -> Domain:
        """Say that its owner is ours; raise `Conflict` if there is no such domain."""
        ...

    def remove_domain(self, name: str) -> None:
        """Delete the domain and its keys; raise `Conflict` if there is no such domain."""
        ...

    def dkim_keys(self, domain: str | None = None) -> list[DkimKey]:
        """Return the keys of a domain, or of all, oldest first."""
        ...

    def add_dkim_key(
        self,
        domain: str,
        *,
        selector: str,
        algorithm: Algorithm,
        private_sealed: bytes,
        public: str,
        now: float,
        active_from: float | None = None,
    ) -> DkimKey:
        """Keep a key; raise `Conflict` without the domain, or if the selector is taken."""
        ...

    def activate_dkim_key(self, id: int, *, active_from: float) -> DkimKey:
        """Let a key sign from then on; raise `Conflict` if there is no such key."""
        ...

    def retire_dkim_key(self, id: int, *, active_until: float, remove_after: float) -> DkimKey:
        """End the signing of a key; raise `Conflict` if there is no such key."""
        ...

    def remove_dkim_key(self, id: int) -> None:
        """Delete a key; raise `Conflict` if there is no such key."""
        ...
