"""The life of a domain's DKIM keys: made, activated once DNS shows them, retired, forgotten.

The domain commands lead it by hand; `care_forever` does while the server runs what needs no
hand: keys that are old get successors, and those whose records have appeared begin to sign.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from postwicket.config import Settings
from postwicket.core.clock import Clock
from postwicket.core.entry import Administered, Entry
from postwicket.identity.keys import SECRETS, load_key
from postwicket.storage.directory import Domains
from postwicket.storage.interfaces import Conflict, StorageUnavailable
from postwicket.trust.examining import examine_key
from postwicket.trust.keys import ALGORITHMS, DkimKey, make_key, owner, selector
from postwicket.trust.lookup import Resolver
from postwicket.trust.vault import Vault

MARGIN: Final = 86_400.0  # seconds that a record stays longer than anybody needs it
CARE_EVERY: Final = 900.0  # seconds; a new record is seen about as late as a DNS cache forgets


class KeptDomains(Domains, Protocol):
    """Domains, and a journal to write into."""

    def record(self, entry: Entry) -> None:
        """Append an entry."""
        ...


def make_keys(store: Domains, settings: Settings, name: str, now: float) -> list[DkimKey]:
    """Make and keep a key of each algorithm; they sign nothing yet."""
    vault = Vault(load_key(settings.data, SECRETS))
    taken = [key.selector for key in store.dkim_keys(name)]
    made = []
    for algorithm in ALGORITHMS:
        chosen = selector(algorithm, now, taken)
        private, public = make_key(algorithm)
        made.append(
            store.add_dkim_key(
                name,
                selector=chosen,
                algorithm=algorithm,
                private_sealed=vault.seal(private, owner(name, chosen)),
                public=public,
                now=now,
            )
        )
    return made


def prepared(store: Domains, name: str, now: float) -> list[DkimKey]:
    """Return the keys that wait for their record to be seen in DNS."""
    return [key for key in store.dkim_keys(name) if key.state(now) == "prepared"]


def activate(
    store: Domains, settings: Settings, name: str, ids: Collection[int], now: float
) -> list[DkimKey]:
    """Let these keys sign from now on, and retire those that they replace.

    What a retired key has signed may be under way for as long as its signatures are good, and
    a message that is held keeps the signature that it got, so its record has to stay that long.
    """
    active = [store.activate_dkim_key(key, active_from=now) for key in ids]
    replaced = {key.algorithm for key in active}
    waiting = settings.queue.expire + settings.queue.hold_at_most + MARGIN
    stay = max(settings.signing.expires, waiting) + MARGIN
    for old in store.dkim_keys(name):
        if old.id not in ids and old.algorithm in replaced and old.active(now):
            store.retire_dkim_key(old.id, active_until=now, remove_after=now + stay)
    return active


def forget_past(store: Domains, name: str, now: float) -> list[DkimKey]:
    """Delete the keys whose time is over; return them: their records may go, too."""
    past = [key for key in store.dkim_keys(name) if key.state(now) == "past"]
    for key in past:
        store.remove_dkim_key(key.id)
    return past


# --- without a hand -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cared:
    """What care did: `what` for people, about a domain, with the names of the keys."""

    what: str
    domain: str
    keys: tuple[str, ...]


async def care(
    store: KeptDomains, settings: Settings, resolver: Resolver, now: float
) -> list[Cared]:
    """Do what is due for every verified domain; return and record what was done."""
    done: list[Cared] = []
    for domain in store.domains():
        if domain.verified is None:
            continue  # its owner has to say so
        name = domain.name
        right = [
            key
            for key in prepared(store, name, now)
            if (await examine_key(key, resolver, now=now)).level == "ok"
        ]
        if right:
            activate(store, settings, name, [key.id for key in right], now)
            done.append(_told("DKIM keys sign now", name, right))
        if _is_due(store, settings, name, now):
            made = await asyncio.to_thread(make_keys, store, settings, name, now)
            words = "new DKIM keys: publish what postwicket domain dns prints"
            done.append(_told(words, name, made))
        past = forget_past(store, name, now)
        if past:
            done.append(_told("DKIM keys deleted, their records may go", name, past))
    for one in done:
        detail = ", ".join(one.keys)
        store.record(Administered(at=now, what=one.what, subject=one.domain, detail=detail))
    return done


def _told(what: str, domain: str, keys: Iterable[DkimKey]) -> Cared:
    return Cared(what, domain, tuple(key.selector for key in keys))


def _is_due(store: Domains, settings: Settings, name: str, now: float) -> bool:
    """Say whether the domain's keys are old and have no successors."""
    after = settings.signing.rotate_after
    keys = store.dkim_keys(name)
    active = [key for key in keys if key.active(now)]
    if not after or not active or any(key.state(now) == "prepared" for key in keys):
        return False
    return max(key.created for key in active) <= now - after


async def care_forever(
    store: KeptDomains,
    settings: Settings,
    resolver: Resolver,
    clock: Clock,
    told: Callable[[Cared], None],
    *,
    every: float = CARE_EVERY,
) -> None:
    """Take care now and then, for as long as the server runs."""
    while True:
        try:
            for one in await care(store, settings, resolver, clock()):
                told(one)
        except (StorageUnavailable, Conflict):
            pass  # the disk is full, or an operator was quicker: the next round sees
        await asyncio.sleep(every)
