"""Who goes next at one place that takes mail: fair between accounts, and by lane.

Accounts take turns, however much each of them has waiting; within an account what is more urgent
goes first, then what came first.  Bulk goes when nothing transactional waits; where both always
wait, one in eight is bulk, so that it is slow and never starves.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Final

from postwicket.policy.lane import BULK

from .shipment import Shipment

BULK_SHARE: Final = 8  # one in so many, where both lanes wait


class Line:
    """The shipments that wait at one place."""

    __slots__ = ("_came", "_lanes", "_passed", "_returned", "_size")

    def __init__(self) -> None:
        self._returned: deque[Shipment] = deque()  # they had their turn: first of all
        self._lanes = (_Lane(), _Lane())  # transactional, bulk
        self._passed = 0  # how many went while bulk waited
        self._size = 0
        self._came = 0

    def __len__(self) -> int:
        return self._size

    def add(self, shipment: Shipment) -> None:
        """Take a shipment in."""
        self._size += 1
        self._came += 1
        self._lanes[shipment.message.lane == BULK].add(shipment, self._came)

    def put_back(self, shipment: Shipment) -> None:
        """Take back one that had its turn and could not go."""
        self._size += 1
        self._returned.appendleft(shipment)

    def first(self, *, bulk: bool = True) -> Shipment | None:
        """Return who goes next, or None; without `bulk` nobody of that lane does."""
        for shipment in self._returned:
            if bulk or shipment.message.lane != BULK:
                return shipment
        lane = self._next_lane(bulk=bulk)
        return lane.first() if lane is not None else None

    def take(self, *, bulk: bool = True) -> Shipment:
        """Let the one go that `first` names."""
        self._size -= 1
        for index, shipment in enumerate(self._returned):
            if bulk or shipment.message.lane != BULK:
                del self._returned[index]
                return shipment
        lane = self._next_lane(bulk=bulk)
        if lane is None:
            raise IndexError("nobody waits")
        waits = lane is self._lanes[0] and self._lanes[1]
        self._passed = self._passed + 1 if waits else 0
        return lane.take()

    def clear(self) -> list[Shipment]:
        """Send everybody away; return them."""
        everybody = list(self._returned)
        for lane in self._lanes:
            everybody.extend(lane.clear())
        self._returned.clear()
        self._size = 0
        return everybody

    def _next_lane(self, *, bulk: bool) -> _Lane | None:
        transactional, slow = self._lanes
        if not transactional:
            return slow if slow and bulk else None
        return slow if slow and bulk and self._passed >= BULK_SHARE - 1 else transactional


class _Lane:
    """Accounts in turn; of each, a heap of (urgency, when it came, shipment)."""

    __slots__ = ("_turns",)

    def __init__(self) -> None:
        self._turns: dict[str, list[tuple[int, int, Shipment]]] = {}  # in order of their turn

    def __bool__(self) -> bool:
        return bool(self._turns)

    def add(self, shipment: Shipment, came: int) -> None:
        heap = self._turns.setdefault(shipment.message.account, [])
        heappush(heap, (shipment.urgency, came, shipment))

    def first(self) -> Shipment:
        return next(iter(self._turns.values()))[0][2]

    def take(self) -> Shipment:
        account = next(iter(self._turns))
        heap = self._turns.pop(account)
        shipment = heappop(heap)[2]
        if heap:
            self._turns[account] = heap  # behind the others
        return shipment

    def clear(self) -> list[Shipment]:
        everybody = [shipment for heap in self._turns.values() for _, _, shipment in sorted(heap)]
        self._turns.clear()
        return everybody
