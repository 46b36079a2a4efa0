"""Results of TLS and who sends the report of a day, in memory: the reference of `TlsReports`."""

from __future__ import annotations

from dataclasses import astuple, replace

from postwicket.core.tls_result import TlsResult

from .memory import Memory


class MemoryTlsReports:
    """`TlsReports` in memory."""

    _memory: Memory

    def tls_results(self, day: str) -> list[TlsResult]:
        """Return what was counted on a day, by domain."""
        counts = self._memory.tls_counts
        found = [replace(one, count=count) for one, count in counts.items() if one.day == day]
        return sorted(found, key=astuple)

    def claim_tls_report(self, day: str, domain: str, *, now: float, lease_until: float) -> bool:
        """Take the sending of a report upon oneself; False when somebody has, or has sent it."""
        reports = self._memory.tls_reports
        if reports.get((day, domain), now) > now:
            return False
        reports[day, domain] = lease_until
        return True

    def sent_tls_report(self, day: str, domain: str, *, now: float) -> None:
        """Say that a report is on its way: nobody sends it again."""
        del now
        self._memory.tls_reports[day, domain] = float("inf")

    def forget_tls_results(self, *, before_day: str) -> None:
        """Delete what was counted, and who reported it, on the days before one."""
        counts, reports = self._memory.tls_counts, self._memory.tls_reports
        for result in [one for one in counts if one.day < before_day]:
            del counts[result]
        for key in [one for one in reports if one[0] < before_day]:
            del reports[key]
