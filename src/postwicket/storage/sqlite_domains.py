"""Domains and their DKIM keys on SQLite.

A change advances the shared `Generation`, by which every worker learns of it.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager

from postwicket.trust.keys import Algorithm, DkimKey, Domain

from .database import Database
from .generation import Generation
from .interfaces import Conflict
from .named import SQLITE
from .rows import Row


class SqliteDomains:
    """`Domains` on a database."""

    def __init__(self, database: Database, generation: Generation) -> None:
        self._database = database
        self._generation = generation

    def domains(self) -> list[Domain]:
        """Return all domains, by name."""
        return [_domain(row) for row in self._database.read("domains")]

    def domain(self, name: str) -> Domain | None:
        """Return the domain, or None."""
        rows = self._database.read("domain", (name,))
        return _domain(rows[0]) if rows else None

    def add_domain(self, name: str, *, token: str, now: float) -> Domain:
        """Make a domain that is not verified; raise `Conflict` if it exists."""
        with self._at_once() as connection:
            try:
                connection.execute(SQLITE["add domain"], (name, token, now))
            except sqlite3.IntegrityError:
                raise Conflict(f"there is a domain {name} already") from None
        return Domain(name=name, token=token, created=now)

    def verify_domain(self, name: str, *, now: float) -> Domain:
        """Say that its owner is ours; raise `Conflict` if there is no such domain."""
        with self._at_once() as connection:
            connection.execute(SQLITE["verify domain"], {"name": name, "now": now})
            row = connection.execute(SQLITE["domain"], (name,)).fetchone()
            if row is None:
                raise _unknown(name)
        return _domain(row)

    def remove_domain(self, name: str) -> None:
        """Delete the domain and its keys; raise `Conflict` if there is no such domain."""
        with self._at_once() as connection:
            connection.execute(SQLITE["remove domain keys"], (name,))
            if not connection.execute(SQLITE["remove domain"], (name,)).rowcount:
                raise _unknown(name)

    # --- keys -----------------------------------------------------------------------------

    def dkim_keys(self, domain: str | None = None) -> list[DkimKey]:
        """Return the keys of a domain, or of all, oldest first."""
        return [_key(row) for row in self._database.read("dkim keys", {"domain": domain})]

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
        values = {
            "domain": domain,
            "selector": selector,
            "algorithm": algorithm,
            "private_sealed": private_sealed,
            "public": public,
            "now": now,
            "active_from": active_from,
        }
        with self._at_once() as connection:
            try:
                row = connection.execute(SQLITE["add dkim key"], values).fetchone()
            except sqlite3.IntegrityError:
                raise Conflict(f"{domain} has a key {selector} already") from None
            if row is None:
                raise _unknown(domain)
            return _kept_key(connection, row[0])

    def activate_dkim_key(self, id: int, *, active_from: float) -> DkimKey:
        """Let a key sign from then on; raise `Conflict` if there is no such key."""
        return self._change("activate dkim key", id, active_from=active_from)

    def retire_dkim_key(self, id: int, *, active_until: float, remove_after: float) -> DkimKey:
        """End the signing of a key; raise `Conflict` if there is no such key."""
        return self._change(
            "retire dkim key", id, active_until=active_until, remove_after=remove_after
        )

    def remove_dkim_key(self, id: int) -> None:
        """Delete a key; raise `Conflict` if there is no such key."""
        with self._at_once() as connection:
            if not connection.execute(SQLITE["remove dkim key"], (id,)).rowcount:
                raise _no_key(id)

    def _change(self, statement: str, id: int, **values: float) -> DkimKey:
        with self._at_once() as connection:
            connection.execute(SQLITE[statement], {"id": id, **values})
            return _kept_key(connection, id)

    def _at_once(self) -> AbstractContextManager[sqlite3.Connection]:
        """Write a change, then let the workers know."""
        return self._database.writing(committed=self._generation.advance)


def _kept_key(connection: sqlite3.Connection, id: int) -> DkimKey:
    row = connection.execute(SQLITE["dkim key"], (id,)).fetchone()
    if row is None:
        raise _no_key(id)
    return _key(row)


def _unknown(name: str) -> Conflict:
    return Conflict(f"there is no domain {name}")


def _no_key(id: int) -> Conflict:
    return Conflict(f"there is no DKIM key {id}")


def _domain(row: Row) -> Domain:
    return Domain(name=row[0], token=row[1], created=row[2], verified=row[3])


def _key(row: Row) -> DkimKey:
    return DkimKey(
        id=row[0],
        domain=row[1],
        selector=row[2],
        algorithm=row[3],
        private_sealed=row[4],
        public=row[5],
        created=row[6],
        active_from=row[7],
        active_until=row[8],
        remove_after=row[9],
    )
