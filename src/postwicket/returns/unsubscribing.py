"""One-click unsubscribe (RFC 8058): a link that only we can make, and what it does.

The link names a delivery and carries a seal; whoever has it can do one thing with it, stop bulk
mail to that recipient.  Nothing is shown of them to somebody to whom the mail was forwarded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from postwicket.core.clock import Clock
from postwicket.core.queue_id import QueueId
from postwicket.storage.values import Message
from postwicket.trust.return_path import Purpose, Returned, ReturnPaths

from .changes import Arrival
from .keeping import Keeping
from .tempo import Tempo

LISTENER: Final = "unsubscribe link"  # what the journal names as the way in


@dataclass(slots=True, kw_only=True, eq=False)
class Unsubscribing:
    """What the web worker needs; `find` looks a message up."""

    paths: ReturnPaths
    find: Callable[[QueueId], Message | None]
    keeping: Keeping
    clock: Clock
    tempo: Tempo

    def is_known(self, token: str) -> bool:
        """Say whether a link is one of ours, and its message known.  Changes nothing."""
        return self._read(token) is not None

    def is_hasty(self, token: str) -> bool:
        """Say whether this link was asked for too often.

        Not the client: behind a proxy all of them are one, and a link that is made up costs
        nothing.
        """
        return self._read(token) is not None and not self.tempo.take(token.lower(), self.clock())

    async def unsubscribe(self, token: str, peer: str) -> bool:
        """Stop bulk mail to whom the link is for; False when it is none of ours.

        It may be asked for any number of times; returns when it is on stable storage.
        """
        found = self._read(token)
        if found is None:
            return False
        message, returned = found
        arrival = Arrival(at=self.clock(), peer=peer, listener=LISTENER)
        return await self.keeping.unsubscribe(message, returned, "one click", arrival)

    def _read(self, token: str) -> tuple[Message, Returned] | None:
        returned = self.paths.read_token(token, now=self.clock())
        if returned is None or returned.purpose is not Purpose.UNSUBSCRIBE:
            return None
        message = self.find(returned.message)
        return (message, returned) if message is not None else None
