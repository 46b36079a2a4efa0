"""Before mail leaves: who is not written to, where it comes back to.  After: who is not there.

The return path is for direct delivery only: an upstream wants the sender that it knows.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from postwicket.config.settings import Settings
from postwicket.core.address import Address
from postwicket.core.cause import Cause
from postwicket.core.clock import Clock
from postwicket.core.entry import CameBack
from postwicket.core.state import State
from postwicket.identity.keys import load_key
from postwicket.policy.aftermath import nobody_there
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.storage.interfaces import Queue, StorageUnavailable
from postwicket.storage.values import ComeBack, Delivery, Message, Settlement, Suppression
from postwicket.trust.return_path import ReturnPaths, return_key

from .route import CAPTURE, DIRECT, DISCARD, Leg
from .shipment import Shipment


def return_paths(settings: Settings) -> ReturnPaths | None:
    """Return what makes and reads return paths; None without `[returns] domain`."""
    domain = settings.returns.domain
    return ReturnPaths(return_key(load_key(settings.data)), domain) if domain else None


def divert(legs: Mapping[Leg, Sequence[int]], stopped: Container[int]) -> dict[Leg, Sequence[int]]:
    """Take those who are not to be written to out of the legs that leave us, into one for them.

    What is captured or discarded here does not leave.
    """
    if not stopped:
        return dict(legs)
    diverted: dict[Leg, list[int]] = {}
    aside: Leg | None = None
    for leg, indexes in legs.items():
        for index in indexes:
            if leg.via in {CAPTURE, DISCARD} or index not in stopped:
                diverted.setdefault(leg, []).append(index)
            else:
                aside = aside or Leg(leg.via, "", "", stopped=True)
                diverted.setdefault(aside, []).append(index)
    return dict(diverted)


class Returning:
    """What the dispatcher asks."""

    def __init__(self, settings: Settings, queue: Queue, clock: Clock) -> None:
        self._queue = queue
        self._paths = return_paths(settings)
        self._suppress_for = settings.returns.suppress_bounces_for
        self._clock = clock

    def stopped(self, message: Message, deliveries: Sequence[Delivery]) -> dict[int, Suppression]:
        """Return why some deliveries, by their place in the list, are not to be made.

        Where the storage cannot say, nothing is known to speak against it.
        """
        names = [delivery.recipient.address.canonical for delivery in deliveries]
        try:
            found = self._queue.suppressed(names, message.lane, now=self._clock())
        except StorageUnavailable:
            return {}
        return {place: found[name] for place, name in enumerate(names) if name in found}

    def path(self, message: Message, deliveries: Sequence[Delivery], via: str) -> Address | None:
        """Return the address to which this comes back, or None for the sender's own.

        The empty return path stays what it is (RFC 5321, section 4.5.5).
        """
        if self._paths is None or via != DIRECT or message.envelope.sender.address is None:
            return None
        several = len(deliveries) > 1  # to one domain: that is how they come to travel together
        return self._paths.mint(message.id, deliveries[0].number, several=several)

    def learn(
        self, shipment: Shipment, answers: Sequence[Answer], settlements: Sequence[Settlement]
    ) -> None:
        """Remember for a while who does not exist, as their own server says."""
        if self._suppress_for <= 0:
            return
        alone = len(shipment.deliveries) == 1
        for answer, settlement in zip(answers, settlements, strict=True):
            if settlement.state is State.FAILED and _is_gone(
                answer, settlement.cause, alone=alone
            ):
                self._remember(shipment.message, settlement.delivery, settlement)

    def _remember(self, message: Message, delivery: Delivery, settlement: Settlement) -> None:
        now, address = self._clock(), delivery.recipient.address
        suppression = Suppression(
            address=address.canonical,
            reason="bounce",
            detail=settlement.reply,
            message=message.id,
            created=now,
            expires=now + self._suppress_for,
        )
        entry = CameBack(
            at=now,
            message=message.id,
            what="bounce",
            delivery=delivery.number,
            recipient=str(address),
            cause=settlement.cause,
            reply=settlement.reply,
            why="this address does not exist: it is not written to for a while",
        )
        try:
            stored = self._queue.come_back(
                ComeBack(message=message.id, entry=entry, suppression=suppression)
            )
        except StorageUnavailable:
            return  # the next attempt to write there tells the same
        stored.add_done_callback(lambda future: future.cancelled() or future.exception())


def _is_gone(answer: Answer, cause: str, *, alone: bool) -> bool:
    """Say whether a peer's own answer was about one person, and that there is no such person."""
    if answer.reply is None or answer.ours or not cause:
        return False
    about_one = answer.stage is Stage.RCPT or (alone and answer.stage is Stage.FINAL)
    return about_one and nobody_there(answer.reply, Cause(cause))
