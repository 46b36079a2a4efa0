"""The MTA-STS policies that are in force here: asked for, kept, refreshed (RFC 8461, section 5).

A policy holds for its `max_age`, whatever DNS or HTTPS say meanwhile: somebody who suppresses
both must not be able to switch it off.  Files under `data/mta-sts/` let it outlive this process
and tell the other workers; a file that cannot be read is as good as none.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final, TypeAlias

from postwicket.core.clock import Clock
from postwicket.core.tls_verdict import TlsVerdict

from .lookup import Resolver
from .mta_sts import Mode, PolicyInvalid, StsPolicy, read_policy, read_record
from .mta_sts_fetch import FetchFailed

REFRESH_AFTER: Final = 86_400.0  # seconds; half of max_age where that is less
WAIT_FOR: Final = 20.0  # seconds that mail waits for a fetch, which goes on without it
FETCH_AGAIN_AFTER: Final = 300.0  # seconds after a failure (section 3.3)
MOST_IN_MEMORY: Final = 10_000
MOST_FILES: Final = 50_000  # 4 KiB of disk each
LARGEST_FILE: Final = 262_144  # octets: a policy of 64 KiB in JSON, where every octet is escaped
_PRUNE_EVERY: Final = 200  # files written between two looks at how many there are

Fetch: TypeAlias = Callable[[str], Awaitable[tuple[StsPolicy, bytes]]]
# Hears that a policy could not be had: domain, result, why.
Told: TypeAlias = Callable[[str, TlsVerdict, str], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy as it is kept; `fetched` is in seconds since 1970."""

    id: str
    policy: StsPolicy
    fetched: float
    content: bytes

    def holds(self, now: float) -> bool:
        """Say whether it is still in force; a clock that was put back ends nothing early."""
        return now < self.fetched + self.policy.max_age

    def ages(self, now: float) -> bool:
        """Say whether it is time to fetch it anew, while there is time."""
        return now >= self.fetched + min(REFRESH_AFTER, self.policy.max_age / 2)


class PolicyFiles:
    """Policies on disk, one file for each domain.  Every call blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0

    def read(self, domain: str) -> Kept | None:
        """Return what is kept of a domain; None also for what cannot be read."""
        try:
            with self._file(domain).open("rb") as stream:
                raw = stream.read(LARGEST_FILE + 1)
            said = json.loads(raw)
            if len(raw) > LARGEST_FILE or said["domain"] != domain:
                return None
            content = str(said["policy"]).encode()
            fetched = float(said["fetched"])
            if not isfinite(fetched):
                return None
            return Kept(str(said["id"]), read_policy(content), fetched, content)
        except (OSError, ValueError, KeyError, TypeError, PolicyInvalid, RecursionError):
            return None

    def write(self, domain: str, kept: Kept) -> None:
        """Put a policy in place whole; what cannot be written is fetched again some day."""
        said = {
            "domain": domain,
            "id": kept.id,
            "fetched": kept.fetched,
            "policy": kept.content.decode(),
        }
        file = self._file(domain)
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with temporary.open("x", encoding="utf-8") as stream:
                json.dump(said, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(file)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if self._written % _PRUNE_EVERY == 0:
            self._prune()
        self._written += 1

    def _file(self, domain: str) -> Path:
        # A digest, so that no name of a stranger's choice becomes a path.
        return self._folder / f"{hashlib.sha256(domain.encode()).hexdigest()[:40]}.json"

    def _prune(self) -> None:
        """Delete the oldest where there are too many."""
        with suppress(OSError):
            files = [(entry.stat().st_mtime, entry.path) for entry in os.scandir(self._folder)]
            for _, path in sorted(files)[: max(0, len(files) - MOST_FILES)]:
                with suppress(OSError):
                    Path(path).unlink()


class StsPolicies:
    """The policies of one process."""

    def __init__(
        self,
        resolver: Resolver,
        fetch: Fetch,
        files: PolicyFiles,
        *,
        clock: Clock,
        disk: Executor | None = None,
        told: Told = lambda *_: None,
        patience: float = WAIT_FOR,
    ) -> None:
        self._resolver = resolver
        self._fetch = fetch
        self._files = files
        self._clock = clock
        self._disk = disk
        self._told = told
        self._patience = patience
        self._kept: dict[str, Kept] = {}
        self._not_before: dict[str, tuple[str, float]] = {}  # a failure: id, and when to try again
        self._under_way: dict[str, asyncio.Task[Kept | None]] = {}

    async def policy(self, domain: str) -> StsPolicy | None:
        """Return the policy in force for a domain (A-labels), or None.  Never raises.

        Waits for a fetch only where there is a policy that is not known here, and not for long.
        """
        said = await self._resolver.txt(f"_mta-sts.{domain}")
        announced = read_record(said.records) if said.found else None
        now = self._clock()
        kept = await self._known(domain, announced, now)
        if announced is None:
            return _in_force(kept)
        if kept is None or kept.id != announced:
            # Where one holds meanwhile and nothing is to be had, it goes on holding.
            return _in_force(await self._get(domain, announced) or kept)
        if kept.ages(now):
            self._begin(domain, announced)
        return _in_force(kept)

    async def _known(self, domain: str, id: str | None, now: float) -> Kept | None:
        """Return what holds, from memory or from disk."""
        kept = self._kept.get(domain)
        if kept is None or not kept.holds(now) or kept.ages(now) or (id and kept.id != id):
            # Another worker may have fetched it meanwhile.
            if domain in self._under_way:
                return kept if kept is not None and kept.holds(now) else None
            loop = asyncio.get_running_loop()
            stored = await loop.run_in_executor(self._disk, self._files.read, domain)
            if stored is not None and (kept is None or stored.fetched > kept.fetched):
                kept = stored
                self._remember(domain, stored)
        return kept if kept is not None and kept.holds(now) else None

    async def _get(self, domain: str, id: str) -> Kept | None:
        """Return what is fetched, if it comes soon.

        Who can delay HTTPS can also prevent it, so nothing is lost by not waiting for ever; and
        whoever waits may be cancelled, while the fetch goes on for the others.
        """
        task = self._begin(domain, id)
        if task is None:
            return None
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._patience)
        except TimeoutError:
            return None

    def _begin(self, domain: str, id: str) -> asyncio.Task[Kept | None] | None:
        """Begin to fetch, or join in; None where that failed only just now."""
        task = self._under_way.get(domain)
        if task is None:
            failed = self._not_before.get(domain)
            if failed is not None and failed[0] == id and self._clock() < failed[1]:
                return None
            task = asyncio.get_running_loop().create_task(self._fetched(domain, id))
            self._under_way[domain] = task
            task.add_done_callback(lambda _: self._under_way.pop(domain, None))
        return task

    async def _fetched(self, domain: str, id: str) -> Kept | None:
        try:
            policy, content = await self._fetch(domain)
        except FetchFailed as error:
            if len(self._not_before) >= MOST_IN_MEMORY:
                del self._not_before[next(iter(self._not_before))]
            self._not_before[domain] = (id, self._clock() + FETCH_AGAIN_AFTER)
            self._told(domain, error.verdict, str(error))
            return None
        self._not_before.pop(domain, None)
        kept = Kept(id, policy, self._clock(), content)
        self._remember(domain, kept)
        await asyncio.get_running_loop().run_in_executor(
            self._disk, self._files.write, domain, kept
        )
        return kept

    def _remember(self, domain: str, kept: Kept) -> None:
        self._kept.pop(domain, None)
        if len(self._kept) >= MOST_IN_MEMORY:
            del self._kept[next(iter(self._kept))]
        self._kept[domain] = kept


def _in_force(kept: Kept | None) -> StsPolicy | None:
    return kept.policy if kept is not None and kept.policy.mode is not Mode.NONE else None
