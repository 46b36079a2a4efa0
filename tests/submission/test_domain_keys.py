"""Keys get successors in time, and sign once DNS shows them, without a hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from postwicket.config import Settings
from postwicket.core.entry import Administered
from postwicket.storage.bodies import BodyStore
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.memory import Memory
from postwicket.storage.memory_store import MemoryStore
from postwicket.submission import domain_keys
from postwicket.submission.domain_keys import (
    Cared,
    activate,
    care,
    care_forever,
    make_keys,
    prepared,
)
from tests.trust.scripted import ScriptedResolver

DAY = 86_400.0
NOW = 1_795_550_400.0
NAME = "example.org"


class World:
    """A store with a verified domain, and a DNS in which nothing is published yet."""

    def __init__(self, folder: Path, signing: Mapping[str, str]) -> None:
        self.memory = Memory(BodyStore(folder / "bodies"))
        self.store = MemoryStore(self.memory)
        self.settings = Settings.model_validate(
            {"hostname": "mail.example.org", "data": folder, "signing": signing}
        )
        self.dns = ScriptedResolver({})
        self.store.add_domain(NAME, token="t", now=NOW)
        self.store.verify_domain(NAME, now=NOW)

    def publish(self) -> None:
        """Publish the records of all keys."""
        for key in self.store.dkim_keys():
            self.dns.answers[f"{key.name} TXT"] = key.record

    def states(self, now: float) -> list[str]:
        """Return the keys' states."""
        return [key.state(now) for key in self.store.dkim_keys()]

    def care(self, now: float) -> list[Cared]:
        """Take care once."""
        return asyncio.run(care(self.store, self.settings, self.dns, now))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, {"rotate_after": "180d"})


def test_a_year_in_the_life_of_a_domain(world: World) -> None:
    make_keys(world.store, world.settings, NAME, NOW)
    assert world.care(NOW) == []  # nothing is published: nothing signs
    world.publish()
    (begun,) = world.care(NOW + 1)
    assert (begun.what, begun.domain) == ("DKIM keys sign now", NAME)
    assert world.states(NOW + 1) == ["active", "active"]
    assert world.care(NOW + 179 * DAY) == []

    (made,) = world.care(NOW + 180 * DAY)
    assert "publish what postwicket domain dns prints" in made.what
    assert world.states(NOW + 180 * DAY) == ["active", "active", "prepared", "prepared"]
    assert world.care(NOW + 181 * DAY) == []

    world.publish()
    (begun,) = world.care(NOW + 182 * DAY)
    assert set(begun.keys) == set(made.keys)
    assert world.states(NOW + 182 * DAY) == ["retired", "retired", "active", "active"]
    assert world.care(NOW + 200 * DAY) == []

    (gone,) = world.care(NOW + 230 * DAY)
    assert "may go" in gone.what
    assert world.states(NOW + 230 * DAY) == ["active", "active"]
    told = [one.what for one in world.memory.journal if isinstance(one, Administered)]
    assert told == [begun.what, made.what, begun.what, gone.what]


def test_only_a_key_whose_record_is_right_signs(world: World) -> None:
    rsa, small = make_keys(world.store, world.settings, NAME, NOW)
    world.dns.answers[f"{rsa.name} TXT"] = "v=DKIM1; p=AAAA"
    world.dns.answers[f"{small.name} TXT"] = small.record
    assert [one.keys for one in world.care(NOW)] == [(small.selector,)]
    assert world.states(NOW) == ["prepared", "active"]
    assert prepared(world.store, NAME, NOW) == [rsa]


def test_a_record_stays_as_long_as_held_mail_may_need_it(world: World) -> None:
    first = [key.id for key in make_keys(world.store, world.settings, NAME, NOW)]
    activate(world.store, world.settings, NAME, first, NOW)
    second = [key.id for key in make_keys(world.store, world.settings, NAME, NOW)]
    activate(world.store, world.settings, NAME, second, NOW + DAY)
    queue = world.settings.queue
    stay = world.store.dkim_keys()[0].remove_after
    assert stay is not None
    assert stay > NOW + DAY + queue.expire + queue.hold_at_most + DAY


def test_without_the_setting_nothing_is_made_and_unverified_domains_are_left_alone(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, {})
    ids = [key.id for key in make_keys(world.store, world.settings, NAME, NOW)]
    activate(world.store, world.settings, NAME, ids, NOW)
    world.store.add_domain("other.example", token="t", now=NOW)
    make_keys(world.store, world.settings, "other.example", NOW)
    world.publish()
    assert world.care(NOW + 1000 * DAY) == []
    assert world.states(NOW) == ["active", "active", "prepared", "prepared"]


def test_care_goes_on_after_a_bad_round(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[float] = []

    async def bad_then_good(*_: object) -> list[Cared]:
        rounds.append(1.0)
        if len(rounds) == 1:
            raise StorageUnavailable("the disk is full")
        return [Cared("done", NAME, ())]

    monkeypatch.setattr(domain_keys, "care", bad_then_good)
    told: list[Cared] = []

    async def some_rounds() -> None:
        caring = care_forever(
            world.store, world.settings, world.dns, lambda: NOW, told.append, every=0.0
        )
        task = asyncio.ensure_future(caring)
        while not told:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(asyncio.wait_for(some_rounds(), 5))
    assert told[0] == Cared("done", NAME, ())
    assert len(rounds) >= 2
