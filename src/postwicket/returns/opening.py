"""What workers need for mail that comes back, made from the settings."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import Protocol

from postwicket.config import Settings
from postwicket.core.address import Address
from postwicket.core.clock import Clock
from postwicket.core.queue_id import QueueId, QueueIds
from postwicket.delivery.bounce import Bounces
from postwicket.delivery.returning import return_paths
from postwicket.identity.keys import load_key
from postwicket.storage.values import Message
from postwicket.trust.return_path import ReturnPaths, UnsubscribeLinks, return_key
from postwicket.trust.signer import Signer

from .keeping import Keeping, Ledger
from .places import Places
from .reception import Reception
from .tempo import Tempo
from .unsubscribing import Unsubscribing


class Books(Ledger, Protocol):
    """The queue, as far as this room needs it."""

    def message(self, id: QueueId) -> Message | None:
        """Return a message, or None."""
        ...


def unsubscribe_links(settings: Settings) -> UnsubscribeLinks | None:
    """Return what makes unsubscribe links; None without `[returns] unsubscribe_url`.

    They need no domain of their own; an address to write to does, and a listener behind it.
    """
    url, domain = settings.returns.unsubscribe_url, settings.returns.domain
    if url is None:
        return None
    inbound = any(listener.kind == "inbound" for listener in settings.listener)
    return UnsubscribeLinks(_sealed(settings), url, by_mail=inbound and domain is not None)


def _sealed(settings: Settings) -> ReturnPaths:
    domain = settings.returns.domain or settings.hostname
    return ReturnPaths(return_key(load_key(settings.data)), domain)


def open_reception(
    settings: Settings,
    books: Books,
    ids: QueueIds,
    domains: Callable[[], Collection[str]],
    clock: Clock,
    signer: Signer | None = None,
) -> Reception:
    """Return what the inbound sessions of a worker share.

    `domains` are those whose ownership was proved, as A-labels; `signer` signs our notices.
    """
    return Reception(
        hostname=settings.hostname,
        places=Places(
            hostname=settings.hostname,
            paths=return_paths(settings),
            domains=domains,
            find=books.message,
        ),
        keeping=_keeping(settings, books, ids, clock, signer),
    )


def open_unsubscribing(
    settings: Settings, books: Books, ids: QueueIds, clock: Clock
) -> Unsubscribing:
    """Return what the web worker needs for unsubscribe links."""
    return Unsubscribing(
        paths=_sealed(settings),
        find=books.message,
        keeping=_keeping(settings, books, ids, clock),
        clock=clock,
        tempo=Tempo(per_hour=60, burst=30),
    )


def _keeping(
    settings: Settings,
    books: Books,
    ids: QueueIds,
    clock: Clock,
    signer: Signer | None = None,
) -> Keeping:
    returns = settings.returns
    return Keeping(
        books,
        Bounces(
            hostname=settings.hostname,
            expire=settings.queue.expire,
            ids=ids,
            clock=clock,
            boundary=lambda: secrets.token_hex(16),
            signer=signer,
        ),
        ids,
        suppress_for=returns.suppress_bounces_for,
        postmaster=Address.parse(returns.postmaster) if returns.postmaster else None,
        expire=settings.queue.expire,
        clock=clock,
    )
