"""The addresses that are not written to, in memory: the reference of `Suppressions`."""

from __future__ import annotations

from .memory import Memory
from .values import Suppression


class MemorySuppressions:
    """`Suppressions` in memory."""

    _memory: Memory

    def suppressions(
        self,
        address: str | None = None,
        lane: str | None = None,
        *,
        reason: str | None = None,
        after: Suppression | None = None,
        limit: int,
    ) -> list[Suppression]:
        """Return those that follow `after`, by address; what is None does not restrict."""
        found = [
            one
            for _, one in sorted(self._memory.suppressions.items())
            if address in {None, one.address}
            and lane in {None, one.lane}
            and reason in {None, one.reason}
            and (after is None or (one.address, one.lane) > (after.address, after.lane))
        ]
        return found[:limit]

    def suppress(self, *suppressions: Suppression) -> None:
        """Write to addresses no more, all or none; what holds for good stays."""
        for suppression in suppressions:
            self._memory.suppress(suppression)

    def unsuppress(self, address: str, lane: str | None = None) -> int:
        """Write to an address again, in one lane or in any; return how many were taken away."""
        known = self._memory.suppressions
        gone = [key for key in known if key[0] == address and lane in {None, key[1]}]
        for key in gone:
            del known[key]
        return len(gone)
