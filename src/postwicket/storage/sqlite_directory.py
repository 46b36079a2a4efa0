"""Accounts and app passwords on SQLite.

A change advances the shared `Generation` under the write lock, after the commit, so that every
live session of every worker looks again before its next command.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from typing import Final

from postwicket.identity.account import Account, AppPassword, Grant, Limits

from .database import Database
from .generation import Generation
from .interfaces import Conflict, StorageUnavailable
from .named import SQLITE
from .rows import Row

_KEPT: Final = 10_000  # accounts remembered until the next change
_LATE: Final = 1.0  # seconds by which a last use may be written late: one commit for many


class SqliteDirectory:
    """`Directory` on a database."""

    def __init__(self, database: Database, generation: Generation) -> None:
        self._database = database
        self._generation = generation
        self._remembered: dict[str, Account | None] = {}
        self._remembered_at = -1
        self._uses: dict[int, tuple[float, str]] = {}
        self._uses_guard = threading.Lock()
        self._timer: threading.Timer | None = None

    def generation(self) -> int:
        """Return a number that differs after every change to any account."""
        return self._generation()

    def account(self, address: str) -> Account | None:
        """Return the account, or None."""
        # The number is read first: a change that comes between shows at the next call.
        now = self._generation()
        if now != self._remembered_at or len(self._remembered) > _KEPT:
            self._remembered = {}
            self._remembered_at = now
        remembered = self._remembered
        if address not in remembered:
            remembered[address] = self._look_up(address)
        return remembered[address]

    def accounts(self) -> list[Account]:
        """Return all accounts, by address."""
        return [_account(row) for row in self._database.read("accounts")]

    def add_account(self, address: str, *, name: str, password_hash: str, now: float) -> Account:
        """Make an account; raise `Conflict` if it exists."""
        values = {"address": address, "name": name, "password_hash": password_hash, "now": now}
        with self._changing() as connection:
            try:
                connection.execute(SQLITE["add account"], values)
            except sqlite3.IntegrityError:
                raise Conflict(f"there is an account {address} already") from None
        return self._existing(address)

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
        values = {
            "address": address,
            "suspended": suspended,
            "password_hash": password_hash,
            "password_over_smtp": password_over_smtp,
            "lane": lane,
        }
        with self._changing() as connection:
            if not connection.execute(SQLITE["change account"], values).rowcount:
                raise _unknown(address)
            if limits is not None:
                connection.execute(SQLITE["limit account"], _limits(address, limits))
        return self._existing(address)

    def remove_account(self, address: str) -> None:
        """Delete the account, its grants and app passwords; raise `Conflict`.  Mail stays."""
        with self._changing() as connection:
            account = _id(connection, address)
            for name in ("grants", "app passwords", "usage", "usage total", "account"):
                connection.execute(SQLITE[f"remove {name}"], (account,))

    def grant(self, address: str, grant: Grant) -> Account:
        """Give a right to write as; raise `Conflict` if there is no such account."""
        with self._changing() as connection:
            connection.execute(SQLITE["grant"], (_id(connection, address), grant.pattern))
        return self._existing(address)

    def withdraw(self, address: str, grant: Grant) -> Account:
        """Take a right away; raise `Conflict` if it was not given."""
        with self._changing() as connection:
            values = (_id(connection, address), grant.pattern)
            if not connection.execute(SQLITE["withdraw"], values).rowcount:
                raise Conflict(f"{address} was not granted {grant.pattern}")
        return self._existing(address)

    # --- app passwords --------------------------------------------------------------------

    def add_app_password(
        self, address: str, *, label: str, fingerprint: bytes, now: float
    ) -> AppPassword:
        """Record an app password; raise `Conflict` if there is no such account."""
        with self._changing() as connection:
            account = _id(connection, address)
            values = (account, label, fingerprint, now)
            given = connection.execute(SQLITE["add app password"], values).fetchone()[0]
        return AppPassword(
            id=given, account=account, label=label, fingerprint=fingerprint, created=now
        )

    def app_passwords(self, address: str) -> list[AppPassword]:
        """Return all of the account's app passwords, oldest first, revoked ones too."""
        return [_app_password(row) for row in self._database.read("app passwords", (address,))]

    def revoke_app_password(self, address: str, id: int, *, now: float) -> AppPassword:
        """End an app password at once; raise `Conflict` if the account has none such."""
        values = {"address": address, "id": id, "now": now}
        with self._changing() as connection:
            if not connection.execute(SQLITE["revoke app password"], values).rowcount:
                raise Conflict(f"{address} has no app password {id}")
        return next(found for found in self.app_passwords(address) if found.id == id)

    def used_app_password(self, id: int, *, now: float, peer: str) -> None:
        """Remember the last use, a second late, by a thread of its own."""
        with self._uses_guard:
            self._uses[id] = (now, peer)
            if self._timer is None:
                self._timer = threading.Timer(_LATE, self._write_uses)
                self._timer.daemon = True
                self._timer.start()

    def _write_uses(self) -> None:
        with self._uses_guard:
            uses, self._uses, self._timer = self._uses, {}, None
        # A use that cannot be written is lost: it is told to people, nothing depends on it.
        with contextlib.suppress(StorageUnavailable), self._database.writing() as connection:
            for used, (now, peer) in uses.items():
                values = {"id": used, "now": now, "peer": peer}
                connection.execute(SQLITE["use app password"], values)

    def finish_uses(self) -> None:
        """Write the uses that are waiting, before the database is closed."""
        with self._uses_guard:
            timer = self._timer
        if timer is not None:
            timer.cancel()
            timer.join()
            if self._uses:
                self._write_uses()

    # --- inside ---------------------------------------------------------------------------

    def _look_up(self, address: str) -> Account | None:
        rows = self._database.read("account", {"address": address})
        return _account(rows[0]) if rows else None

    def _existing(self, address: str) -> Account:
        found = self._look_up(address)
        if found is None:  # removed by somebody else between the change and now
            raise _unknown(address)
        return found

    def _changing(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Write a change, then wake the live sessions."""
        return self._database.writing(committed=self._generation.advance)


def _id(connection: sqlite3.Connection, address: str) -> int:
    row = connection.execute(SQLITE["account"], {"address": address}).fetchone()
    if row is None:
        raise _unknown(address)
    return int(row[0])


def _unknown(address: str) -> Conflict:
    return Conflict(f"there is no account {address}")


def _limits(address: str, limits: Limits) -> dict[str, object]:
    return {
        "address": address,
        "messages_per_day": limits.messages_per_day,
        "recipients_per_day": limits.recipients_per_day,
        "recipients_per_message": limits.recipients_per_message,
        "message_size": limits.message_size,
    }


def _account(row: Row) -> Account:
    return Account(
        id=row[0],
        address=row[1],
        name=row[2],
        suspended=bool(row[3]),
        password_hash=row[4],
        password_over_smtp=bool(row[5]),
        limits=Limits(
            messages_per_day=row[6],
            recipients_per_day=row[7],
            recipients_per_message=row[8],
            message_size=row[9],
        ),
        created=row[10],
        lane=row[11],
        grants=frozenset(Grant(pattern) for pattern in json.loads(row[12])),
    )


def _app_password(row: Row) -> AppPassword:
    return AppPassword(
        id=row[0],
        account=row[1],
        label=row[2],
        fingerprint=row[3],
        created=row[4],
        last_used=row[5],
        last_peer=row[6],
        revoked=row[7],
    )
