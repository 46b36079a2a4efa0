"""Puts DKIM signatures on messages, off the event loop.

An RSA signature takes a fifth of a millisecond and lets go of Python's lock meanwhile, so it is
made in a thread.  What has come while a thread was busy goes with its next turn: under load a
turn carries many messages, and the way to the thread and back is paid once.

    header = await signer.sign(header, body)      # with signatures on top, or as it was
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Final

from postwicket.core.clock import Clock
from postwicket.message.header import Header, MalformedHeader
from postwicket.message.mailboxes import parse_mailboxes

from .dkim import BodyHasher, sign_header, signature_names
from .keyring import KeyRing
from .keys import OpenKey

AT_ONCE: Final = 2  # turns under way; more threads than cores sign nothing more
BATCH: Final = 32  # messages of one turn: some 8 ms, which is how long the first one waits
MARGIN: Final = 86_400.0  # seconds that a signature outlives the message's last attempt
TELL_EVERY: Final = 3600.0  # seconds
MOST_TOLD: Final = 1000  # domains

Body = bytes | BodyHasher


@dataclass(frozen=True, slots=True)
class _Job:
    """One message to sign; `done` is answered in the loop that asked."""

    header: bytes
    body: Body
    keys: tuple[OpenKey, ...]
    now: float
    expires: float
    done: asyncio.Future[bytes]


class Signer:
    """Signs what comes from domains that have a key.

    `expires` is how long a signature is good, in seconds.  `unsigned` hears of a domain whose
    mail left without a signature, once an hour, and only on a server that has any key.
    """

    def __init__(
        self,
        ring: KeyRing,
        clock: Clock,
        threads: Executor,
        *,
        expires: float,
        unsigned: Callable[[str], None] = lambda domain: None,  # noqa: ARG005
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._threads = threads
        self._expires = expires
        self._unsigned = unsigned
        self._waiting: list[_Job] = []
        self._turns = 0
        self._told: dict[str, float] = {}

    def hasher(self) -> BodyHasher | None:
        """Return what hashes a body on its way to storage; None where nothing will be signed."""
        return BodyHasher(separator=True) if self._ring else None

    async def sign(
        self, header: bytes, body: Body, *, lives_until: float = 0.0, known: Header | None = None
    ) -> bytes:
        """Return the header with our signatures on top; as it was, if no key is for its From.

        `body` is what follows the header, empty line included, or a hasher that has had it all.
        The signature is good beyond `lives_until`, the end of the message's time in the queue.
        `known` is a header with the same From that is parsed already.
        """
        keys = self._keys(known or _parsed(header))
        if not keys:
            return header
        now = self._clock()
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        job = _Job(header, body, keys, now, self._until(now, lives_until), done)
        self._waiting.append(job)
        if self._turns < AT_ONCE:
            self._take_turn(done.get_loop())
        return await done

    def sign_now(self, header: bytes, body: Body, *, lives_until: float = 0.0) -> bytes:
        """Do as `sign`, here and now: for threads, and for what is seldom."""
        keys = self._keys(_parsed(header))
        if not keys:
            return header
        now = self._clock()
        return _signed(header, body, keys, now=now, expires=self._until(now, lives_until))

    def resign(self, header: bytes, pieces: Iterable[bytes], *, lives_until: float = 0.0) -> bytes:
        """Sign again what was converted: our own signatures go, others stay where they are.

        `pieces` are what follows the header, empty line included.  Blocks while it reads them.
        """
        parsed = _parsed(header)
        if parsed is None:
            return header
        kept = [field.raw for field in parsed.fields if not self._is_ours(field.name, field.value)]
        hasher = BodyHasher(separator=True)
        for piece in pieces:
            hasher.update(piece)
        return self.sign_now(b"".join(kept), hasher, lives_until=lives_until)

    # --- inside ---------------------------------------------------------------------------

    def _keys(self, header: Header | None) -> tuple[OpenKey, ...]:
        if header is None or not self._ring:
            return ()
        domain = _author_domain(header)
        keys = self._ring.keys_for(domain)
        if not keys and domain:
            self._tell(domain)
        return keys

    def _tell(self, domain: str) -> None:
        now = self._clock()
        if now - self._told.get(domain, -TELL_EVERY) < TELL_EVERY:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[domain] = now
        self._unsigned(domain)

    def _until(self, now: float, lives_until: float) -> float:
        return max(now + self._expires, lives_until + MARGIN)

    def _is_ours(self, name: bytes, value: bytes) -> bool:
        if name.lower() != b"dkim-signature":
            return False
        domain, selector = signature_names(value)
        return self._ring.ours(domain, selector)

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._turns += 1
        turn = self._threads.submit(_sign_all, jobs)
        turn.add_done_callback(
            lambda turn: loop.call_soon_threadsafe(self._turn_over, loop, jobs, turn)
        )

    def _turn_over(
        self,
        loop: asyncio.AbstractEventLoop,
        jobs: list[_Job],
        turn: Future[list[bytes | Exception]],
    ) -> None:
        self._turns -= 1
        for job, result in zip(jobs, turn.result(), strict=True):
            if job.done.done():
                continue  # who asked has gone
            if isinstance(result, bytes):
                job.done.set_result(result)
            else:
                job.done.set_exception(result)
        if self._waiting:
            self._take_turn(loop)


def _sign_all(jobs: list[_Job]) -> list[bytes | Exception]:
    results: list[bytes | Exception] = []
    for job in jobs:
        try:
            results.append(
                _signed(job.header, job.body, job.keys, now=job.now, expires=job.expires)
            )
        except Exception as error:  # noqa: BLE001 - one message's bug is not its neighbours'
            results.append(error)
    return results


def _signed(
    header: bytes, body: Body, keys: tuple[OpenKey, ...], *, now: float, expires: float
) -> bytes:
    if isinstance(body, bytes):
        hasher = BodyHasher(separator=True)
        hasher.update(body)
    else:
        hasher = body
    fields = sign_header(Header.parse(header), hasher.digest(), keys, now=now, expires=expires)
    return fields + header


def _parsed(header: bytes) -> Header | None:
    try:
        return Header.parse(header)
    except MalformedHeader:
        return None  # nobody could verify it


def _author_domain(header: Header) -> str:
    """Return the domain of the first author, in A-labels; "" where there is none to be read."""
    field = header.first("from")
    try:
        mailboxes = parse_mailboxes(field.value) if field else []
        return mailboxes[0].wire_domain if mailboxes else ""
    except ValueError:
        return ""
