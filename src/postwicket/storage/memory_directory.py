"""Accounts and app passwords in memory: the reference of `Directory`."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from postwicket.identity.account import Account, AppPassword, Grant, Limits

from .interfaces import Conflict
from .memory import Memory


class MemoryDirectory:
    """`Directory` in memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._generation = 0
        self._ids = count(1)
        self._password_ids = count(1)
        self._accounts: dict[str, Account] = {}
        self._passwords: dict[int, AppPassword] = {}

    def generation(self) -> int:
        """Return a number that differs after every change to any account."""
        return self._generation

    def account(self, address: str) -> Account | None:
        """Return the account, or None."""
        return self._accounts.get(address)

    def accounts(self) -> list[Account]:
        """Return all accounts, by address."""
        return [account for _, account in sorted(self._accounts.items())]

    def add_account(self, address: str, *, name: str, password_hash: str, now: float) -> Account:
        """Make an account; raise `Conflict` if it exists."""
        if address in self._accounts:
            raise Conflict(f"there is an account {address} already")
        account = Account(
            id=next(self._ids),
            address=address,
            name=name,
            password_hash=password_hash,
            created=now,
        )
        return self._keep(account)

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
        account = self._existing(address)
        changes = {
            "suspended": suspended,
            "password_hash": password_hash,
            "password_over_smtp": password_over_smtp,
            "limits": limits,
            "lane": lane,
        }
        wanted = {name: value for name, value in changes.items() if value is not None}
        return self._keep(replace(account, **wanted))  # type: ignore[arg-type]  # by name

    def remove_account(self, address: str) -> None:
        """Delete the account, its grants and app passwords; raise `Conflict`.  Mail stays."""
        account = self._existing(address)
        self._passwords = {
            key: password
            for key, password in self._passwords.items()
            if password.account != account.id
        }
        self._memory.usage.pop(account.id, None)
        self._generation += 1
        del self._accounts[address]

    def grant(self, address: str, grant: Grant) -> Account:
        """Give a right to write as; raise `Conflict` if there is no such account."""
        account = self._existing(address)
        return self._keep(replace(account, grants=account.grants | {grant}))

    def withdraw(self, address: str, grant: Grant) -> Account:
        """Take a right away; raise `Conflict` if it was not given."""
        account = self._existing(address)
        if grant not in account.grants:
            raise Conflict(f"{address} was not granted {grant.pattern}")
        return self._keep(replace(account, grants=account.grants - {grant}))

    def add_app_password(
        self, address: str, *, label: str, fingerprint: bytes, now: float
    ) -> AppPassword:
        """Record an app password; raise `Conflict` if there is no such account."""
        account = self._existing(address)
        made = AppPassword(
            id=next(self._password_ids),
            account=account.id,
            label=label,
            fingerprint=fingerprint,
            created=now,
        )
        self._passwords[made.id] = made
        self._generation += 1
        return made

    def app_passwords(self, address: str) -> list[AppPassword]:
        """Return all of the account's app passwords, oldest first, revoked ones too."""
        account = self._accounts.get(address)
        if account is None:
            return []
        return [found for found in self._passwords.values() if found.account == account.id]

    def revoke_app_password(self, address: str, id: int, *, now: float) -> AppPassword:
        """End an app password at once; raise `Conflict` if the account has none such."""
        found = next((one for one in self.app_passwords(address) if one.id == id), None)
        if found is None:
            raise Conflict(f"{address} has no app password {id}")
        if found.revoked is None:
            found = replace(found, revoked=now)
        self._passwords[id] = found
        self._generation += 1
        return found

    def used_app_password(self, id: int, *, now: float, peer: str) -> None:
        """Remember the last use."""
        if id in self._passwords:
            self._passwords[id] = replace(self._passwords[id], last_used=now, last_peer=peer)

    def _existing(self, address: str) -> Account:
        if address not in self._accounts:
            raise Conflict(f"there is no account {address}")
        return self._accounts[address]

    def _keep(self, account: Account) -> Account:
        self._accounts[account.address] = account
        self._generation += 1
        return account
