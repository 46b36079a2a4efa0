"""Who it is: the same words and the same time for every wrong claim."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postwicket.core.claim import PasswordClaim
from postwicket.core.refusal import Refusal
from postwicket.core.secret import Secret
from postwicket.identity import refusals
from postwicket.identity.app_password import fingerprint
from postwicket.identity.password import hash_password
from postwicket.storage.bodies import BodyStore
from postwicket.storage.memory import Memory
from postwicket.storage.memory_store import MemoryStore
from postwicket.submission.sign_in import REFUSAL_AFTER, Members, SignedInAs, SignIn

ANN = "ann@example.org"
LETTERS = "abcdefghijklmnop"
KEY = b"k" * 32


class Counted:
    """A directory that counts how often it is asked."""

    def __init__(self, store: MemoryStore) -> None:
        self.asked = 0
        self._store = store

    def __getattr__(self, name: str) -> object:
        self.asked += name == "account"
        return getattr(self._store, name)


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    store = MemoryStore(Memory(BodyStore(tmp_path / "bodies")))
    store.add_account(ANN, name="", password_hash="", now=1.0)
    store.add_app_password(ANN, label="laptop", fingerprint=fingerprint(KEY, LETTERS), now=1.0)
    return store


def check(
    store: MemoryStore, *claims: PasswordClaim, slept: Callable[[float], None] = lambda _: None
) -> list[SignedInAs | Refusal]:
    async def story() -> list[SignedInAs | Refusal]:
        async def sleep(seconds: float) -> None:
            slept(seconds)

        with ThreadPoolExecutor(1) as threads:
            sign_in = SignIn(Members(store), KEY, clock=time.time, threads=threads, sleep=sleep)
            return [await sign_in.check(claim, peer="192.0.2.1") for claim in claims]

    return asyncio.run(story())


def claim(name: str, password: str, acting_as: str = "") -> PasswordClaim:
    return PasswordClaim(name, Secret(password), acting_as)


def test_an_app_password_in_any_spelling(store: MemoryStore) -> None:
    spellings = (LETTERS, "abcd efgh ijkl mnop", " ABCDEFGH IJKLMNOP ")
    for verdict in check(store, *(claim(ANN, spelling) for spelling in spellings)):
        assert isinstance(verdict, SignedInAs)
        assert (verdict.account.address, verdict.label) == (ANN, "laptop")
    assert store.app_passwords(ANN)[0].last_used is not None


def test_a_revoked_one_is_wrong(store: MemoryStore) -> None:
    store.revoke_app_password(ANN, store.app_passwords(ANN)[0].id, now=2.0)
    assert check(store, claim(ANN, LETTERS)) == [refusals.WRONG]


def test_one_of_several(store: MemoryStore) -> None:
    store.add_app_password(ANN, label="phone", fingerprint=fingerprint(KEY, "z" * 16), now=1.0)
    (verdict,) = check(store, claim(ANN, "z" * 16))
    assert isinstance(verdict, SignedInAs)
    assert verdict.label == "phone"


def test_nobody_acts_as_another(store: MemoryStore) -> None:
    own, other = check(
        store, claim(ANN, LETTERS, "Ann@example.org"), claim(ANN, LETTERS, "eve@example.org")
    )
    assert isinstance(own, SignedInAs)
    assert other is refusals.OTHER_IDENTITY


@pytest.mark.parametrize("name", [ANN, "eve@example.org", "ann", "", "\ud800", "a" * 5000])
@pytest.mark.parametrize("password", ["zzzzzzzzzzzzzzzz", "wrong horse"])
def test_every_no_comes_after_the_same_time(store: MemoryStore, name: str, password: str) -> None:
    slept: list[float] = []
    (verdict,) = check(store, claim(name, password), slept=slept.append)
    assert isinstance(verdict, Refusal)
    assert slept == [REFUSAL_AFTER]


def test_a_user_name_without_a_domain_is_explained(store: MemoryStore) -> None:
    assert check(store, claim("ann", LETTERS)) == [refusals.NOT_AN_ADDRESS]


def test_the_account_password_is_recognised_but_not_taken(store: MemoryStore) -> None:
    store.change_account(ANN, password_hash=hash_password(Secret("correct horse 1")))
    right, wrong = check(store, claim(ANN, "correct horse 1"), claim(ANN, "correct horse 2"))
    assert right is refusals.APP_PASSWORD_NEEDED
    assert wrong is refusals.WRONG


def test_the_directory_is_read_once_and_again_after_a_change(store: MemoryStore) -> None:
    counted = Counted(store)
    members = Members(counted)  # type: ignore[arg-type] # it hands everything on
    for _ in range(3):
        members.find(ANN)
        members.find("nobody@example.org")
    assert counted.asked == 2
    store.change_account(ANN, suspended=True)
    member = members.find(ANN)
    assert member is not None
    assert member.account.suspended


def test_only_a_right_app_password_is_known_at_once(store: MemoryStore) -> None:
    with ThreadPoolExecutor(1) as threads:
        sign_in = SignIn(Members(store), KEY, clock=time.time, threads=threads)
        known = sign_in.at_once(claim(ANN, LETTERS), peer="192.0.2.1")
        assert known is not None
        assert known.label == "laptop"
        for other in (
            claim(ANN, "z" * 16),
            claim("eve@example.org", LETTERS),
            claim("ann", LETTERS),
            claim(ANN, "correct horse 1"),
            claim(ANN, LETTERS, "eve@example.org"),
        ):
            assert sign_in.at_once(other, peer="192.0.2.1") is None
        store.change_account(ANN, suspended=True)
        assert sign_in.at_once(claim(ANN, LETTERS), peer="192.0.2.1") is None
