"""Who is it: claims of SMTP sessions checked against the directory.

An app password costs a keyed hash.  Anything that does not look like one costs one Argon2
computation in a thread, whether the account exists or not, and every no is given after the same
time, so that neither the words nor the clock tell a stranger which addresses exist.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from postwicket.core.address import Address
from postwicket.core.claim import PasswordClaim
from postwicket.core.clock import Clock
from postwicket.core.refusal import Refusal
from postwicket.identity import refusals
from postwicket.identity.account import Account, AppPassword
from postwicket.identity.app_password import fingerprint, letters_of
from postwicket.identity.password import verify_password
from postwicket.storage.directory import Directory

REFUSAL_AFTER: Final = 0.3  # seconds from the claim to the no, more than a check takes
MOST_CACHED: Final = 10_000  # accounts; one more pushes out the one used longest ago
MOST_WAITING: Final = 32  # account passwords waiting for their check

NOBODY: Final = "nobody@invalid"  # RFC 6761, section 6.4: there is no such domain

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Member:
    """An account as it was when it was read, with the app passwords that open it."""

    account: Account
    app_passwords: tuple[AppPassword, ...]


@dataclass(frozen=True, slots=True)
class SignedInAs:
    """The account, and which credential opened it: an app password's id, or None."""

    account: Account
    app_password: int | None
    label: str


class Members:
    """The directory as sessions see it: read once, and again after any change."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._generation = directory.generation()
        self._cache: OrderedDict[str, Member | None] = OrderedDict()

    def generation(self) -> int:
        """Return a number that differs after every change to any account."""
        return self._directory.generation()

    def find(self, address: str) -> Member | None:
        """Return the account of a canonical address, or None; never older than the last change."""
        generation = self._directory.generation()
        if generation != self._generation:
            self._cache.clear()
            self._generation = generation
        if address in self._cache:
            self._cache.move_to_end(address)
            return self._cache[address]
        account = self._directory.account(address)
        member = None
        if account is not None:
            valid = [one for one in self._directory.app_passwords(address) if not one.revoked]
            member = Member(account, tuple(valid))
        self._cache[address] = member
        if len(self._cache) > MOST_CACHED:
            self._cache.popitem(last=False)
        return member

    def used(self, app_password: int, *, now: float, peer: str) -> None:
        """Remember when and from where an app password was used last."""
        self._directory.used_app_password(app_password, now=now, peer=peer)

    def still(self, signed_in: SignedInAs) -> Account | None:
        """Return the account as it is now if the credential still opens it, else None."""
        member = self.find(signed_in.account.address)
        if member is None or member.account.suspended:
            return None
        if member.account.id != signed_in.account.id:
            return None  # removed, and another made under its name
        if signed_in.app_password is None:
            return member.account
        known = any(one.id == signed_in.app_password for one in member.app_passwords)
        return member.account if known else None


class SignIn:
    """Checks claims.  One for each worker; `key` is what app passwords are hashed with."""

    def __init__(
        self,
        members: Members,
        key: bytes,
        *,
        clock: Clock,
        threads: Executor,
        at_once: int = 2,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._members = members
        self._key = key
        self._clock = clock
        self._threads = threads
        self._checks = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._sleep = sleep

    def at_once(self, claim: PasswordClaim, *, peer: str) -> SignedInAs | None:
        """Return who it is where a right app password says so; anything else is for `check`.

        Raises `StorageUnavailable`.
        """
        if claim.acting_as or not letters_of(claim.password.reveal()):
            return None
        # The same work for every name, so that what follows begins after the same time.
        member = self._members.find(_canonical(claim.name) or NOBODY)
        found = self._by_app_password(member, claim, peer)
        return found if isinstance(found, SignedInAs) else None

    async def check(self, claim: PasswordClaim, *, peer: str) -> SignedInAs | Refusal:
        """Return who it is, or the refusal; raise `StorageUnavailable`."""
        # The timer starts before the work: one that is set after it, even if shortened by what
        # the work took, is rounded to milliseconds, and the rounding tells.
        earliest = asyncio.ensure_future(self._sleep(REFUSAL_AFTER))
        try:
            verdict = await self._judge(claim, peer)
            if isinstance(verdict, Refusal):
                await earliest
        finally:
            earliest.cancel()
        return verdict

    async def _judge(self, claim: PasswordClaim, peer: str) -> SignedInAs | Refusal:
        name = address_of(claim)
        member = self._members.find(name or NOBODY)
        if claim.acting_as and _canonical(claim.acting_as) != name:
            verdict: SignedInAs | Refusal = refusals.OTHER_IDENTITY
        elif letters_of(claim.password.reveal()):
            verdict = self._by_app_password(member, claim, peer)
        else:
            verdict = await self._by_password(member, claim)
        if name is None and verdict is refusals.WRONG:
            return refusals.NOT_AN_ADDRESS
        return verdict

    def _by_app_password(
        self, member: Member | None, claim: PasswordClaim, peer: str
    ) -> SignedInAs | Refusal:
        offered = fingerprint(self._key, claim.password.reveal())
        found = None
        for one in member.app_passwords if member else ():
            if hmac.compare_digest(one.fingerprint, offered):
                found = one
        if member is None or found is None:
            return refusals.WRONG
        if member.account.suspended:
            return refusals.SUSPENDED
        self._members.used(found.id, now=self._clock(), peer=peer)
        return SignedInAs(member.account, found.id, found.label)

    async def _by_password(
        self, member: Member | None, claim: PasswordClaim
    ) -> SignedInAs | Refusal:
        if self._waiting >= MOST_WAITING:
            return refusals.BUSY
        stored = member.account.password_hash if member else ""
        self._waiting += 1
        try:
            async with self._checks:
                loop = asyncio.get_running_loop()
                right = await loop.run_in_executor(
                    self._threads, verify_password, stored, claim.password
                )
        finally:
            self._waiting -= 1
        if member is None or not right:
            return refusals.WRONG
        if member.account.suspended:
            return refusals.SUSPENDED
        if not member.account.password_over_smtp:
            return refusals.APP_PASSWORD_NEEDED
        return SignedInAs(member.account, None, "password")


def address_of(claim: PasswordClaim) -> str | None:
    """Return the canonical address that the claim names, or None.

    What is no address may be a password in the wrong field, so nobody may write it down.
    """
    return _canonical(claim.name)


def _canonical(name: str) -> str | None:
    try:
        return Address.parse(name.strip()).canonical
    except ValueError:
        return None
