"""The life of a domain's DKIM keys, as the domain commands lead it: made, activated, retired."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from .call import Refused, now

if TYPE_CHECKING:
    from postwicket.config import Settings
    from postwicket.storage.interfaces import Store
    from postwicket.trust.keys import DkimKey

MARGIN: Final = 86_400.0  # seconds that a record stays longer than anybody needs it


def make_keys(store: Store, settings: Settings, name: str) -> list[DkimKey]:
    """Make and keep a key of each algorithm; they sign nothing yet."""
    from postwicket.identity.keys import SECRETS, load_key
    from postwicket.trust.keys import ALGORITHMS, make_key, owner, selector
    from postwicket.trust.vault import Vault

    vault = Vault(load_key(settings.data, SECRETS))
    taken = [key.selector for key in store.dkim_keys(name)]
    made = []
    for algorithm in ALGORITHMS:
        chosen = selector(algorithm, now(), taken)
        private, public = make_key(algorithm)
        made.append(
            store.add_dkim_key(
                name,
                selector=chosen,
                algorithm=algorithm,
                private_sealed=vault.seal(private, owner(name, chosen)),
                public=public,
                now=now(),
            )
        )
    return made


def prepared(store: Store, name: str) -> list[DkimKey]:
    """Return the keys that wait for their record to be seen in DNS."""
    return [key for key in store.dkim_keys(name) if key.state(now()) == "prepared"]


def activate(store: Store, settings: Settings, name: str, ids: Collection[int]) -> list[DkimKey]:
    """Let these keys sign from now on, and retire those that they replace.

    What a retired key has signed may be under way for as long as its signatures are good, so
    its record has to stay that long.
    """
    at = now()
    active = [store.activate_dkim_key(key, active_from=at) for key in ids]
    replaced = {key.algorithm for key in active}
    for old in store.dkim_keys(name):
        if old.id not in ids and old.algorithm in replaced and old.active(at):
            stay = max(settings.signing.expires, settings.queue.expire + MARGIN) + MARGIN
            store.retire_dkim_key(old.id, active_until=at, remove_after=at + stay)
    return active


def forget_past(store: Store, name: str) -> list[DkimKey]:
    """Delete the keys whose time is over; return them: their records may go, too."""
    past = [key for key in store.dkim_keys(name) if key.state(now()) == "past"]
    for key in past:
        store.remove_dkim_key(key.id)
    return past


def domain_name(text: str) -> str:
    """Return a domain in lower case and A-labels; raise `Refused`.

    >>> domain_name("Bücher.Example.")
    'xn--bcher-kva.example'
    """
    from postwicket.core.address import Address

    bare = text.strip().removesuffix(".")
    try:
        found = Address.parse(f"postmaster@{bare}").wire_domain.lower()
    except ValueError:
        found = ""
    if "." not in found or found.startswith("["):
        raise Refused(f"{bare[:80]!r} is no domain; write it like example.org", 2)
    return found
