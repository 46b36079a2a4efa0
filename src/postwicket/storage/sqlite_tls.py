"""Results of TLS and who sends the report of a day, on SQLite.

Workers count in memory and write once a second, so that a thousand sessions with one exchanger
cost one row.  What was counted in the last second is lost with a worker that is killed: it is a
statistic, and nobody may wait for it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from postwicket.core.tls_result import TlsResult

from .batch import insert
from .database import Database
from .named import SQLITE
from .rows import Row, as_json
from .units import Call

_LATE: Final = 1.0  # seconds

_Kind = tuple[str, ...]


class TlsTally:
    """What a worker has counted and not written yet; `submit` has a unit written."""

    def __init__(self, loop: asyncio.AbstractEventLoop, submit: Callable[[Call], None]) -> None:
        self._loop = loop
        self._submit = submit
        self._counts: Counter[_Kind] = Counter()

    def add(self, results: Sequence[TlsResult]) -> None:
        """Count sessions."""
        if results and not self._counts:
            self._loop.call_later(_LATE, self.write)
        for one in results:
            self._counts[_kind(one)] += one.count

    def write(self) -> None:
        """Have what was counted written."""
        counts, self._counts = self._counts, Counter()
        if counts:
            rows = [(*kind, count) for kind, count in counts.items()]
            self._submit(Call(None, lambda connection: insert(connection, "count tls", rows)))


class SqliteTlsReports:
    """`TlsReports` on a database."""

    _database: Database

    def tls_results(self, day: str) -> list[TlsResult]:
        """Return what was counted on a day, by domain."""
        return [_result(row) for row in self._database.read("tls results", (day,))]

    def claim_tls_report(self, day: str, domain: str, *, now: float, lease_until: float) -> bool:
        """Take the sending of a report upon oneself; False when somebody has, or has sent it."""
        values = {"day": day, "domain": domain, "now": now, "lease_until": lease_until}
        return self._write("claim tls report", values) > 0

    def sent_tls_report(self, day: str, domain: str, *, now: float) -> None:
        """Say that a report is on its way: nobody sends it again."""
        self._write("sent tls report", {"day": day, "domain": domain, "now": now})

    def forget_tls_results(self, *, before_day: str) -> None:
        """Delete what was counted, and who reported it, on the days before one."""
        with self._database.writing() as connection:
            for name in ("forget tls results", "forget tls reports"):
                connection.execute(SQLITE[name], (before_day,))

    def _write(self, name: str, values: dict[str, object]) -> int:
        connection: sqlite3.Connection
        with self._database.writing() as connection:
            return connection.execute(SQLITE[name], values).rowcount


def _kind(one: TlsResult) -> _Kind:
    return (
        one.day,
        one.domain,
        one.policy_type,
        as_json(one.policy),
        as_json(one.mx_patterns),
        one.sending_ip,
        one.receiving_mx,
        one.receiving_ip,
        one.result,
    )


def _result(row: Row) -> TlsResult:
    return TlsResult(
        day=row[0],
        domain=row[1],
        policy_type=row[2],
        policy=tuple(json.loads(row[3])),
        mx_patterns=tuple(json.loads(row[4])),
        sending_ip=row[5],
        receiving_mx=row[6],
        receiving_ip=row[7],
        result=row[8],
        count=row[9],
    )
