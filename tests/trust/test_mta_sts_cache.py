"""Which policy is in force: a domain over months, told as a story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postwicket.core.tls_verdict import TlsVerdict
from postwicket.trust.lookup import Verdict
from postwicket.trust.mta_sts import Mode, StsPolicy, read_policy
from postwicket.trust.mta_sts_cache import Kept, PolicyFiles, StsPolicies
from postwicket.trust.mta_sts_fetch import FetchFailed

from .scripted import ScriptedResolver

TXT = "_mta-sts.example.com TXT"
WEEK = 7 * 86_400
DAY = 86_400.0


def policy(mode: str = "enforce", mx: str = "mx.example.com", age: int = WEEK) -> bytes:
    return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {age}\n".encode()


class World:
    """DNS, the policy host, the clock, and what is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.resolver = ScriptedResolver({TXT: "v=STSv1; id=1"})
        self.page: bytes | None = policy()
        self.fetched: list[str] = []
        self.told: list[str] = []
        self.gate: asyncio.Event | None = None
        self.policies = self.worker()

    def worker(self) -> StsPolicies:
        """Return the policies of another process."""
        return StsPolicies(
            self.resolver,
            self.fetch,
            PolicyFiles(self.folder / "mta-sts"),
            clock=lambda: self.now,
            told=lambda domain, verdict, _: self.told.append(f"{domain} {verdict.value}"),
            patience=0.3,
        )

    async def fetch(self, domain: str) -> tuple[StsPolicy, bytes]:
        """Be the policy host."""
        self.fetched.append(domain)
        if self.gate is not None:
            await self.gate.wait()
        if self.page is None:
            raise FetchFailed("nobody there", TlsVerdict.STS_FETCH)
        return read_policy(self.page), self.page

    def announce(self, id: str | Verdict) -> None:
        """Change what DNS says."""
        self.resolver.answers[TXT] = id if isinstance(id, Verdict) else f"v=STSv1; id={id}"

    async def mode(self) -> Mode | None:
        """Return the mode of the policy in force."""
        found = await self.policies.policy("example.com")
        return found.mode if found else None

    async def settled(self) -> None:
        """Wait for what is fetched in the background."""
        while tasks := list(self.policies._under_way.values()):
            await asyncio.gather(*tasks)


def play(folder: Path, story: Callable[[World], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        await story(World(folder))

    asyncio.run(run())


def test_a_policy_is_fetched_once_and_holds(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert await world.mode() is Mode.ENFORCE
        world.now += DAY / 2
        assert await world.mode() is Mode.ENFORCE
        assert world.fetched == ["example.com"]

    play(tmp_path, story)


def test_without_a_record_nothing_is_fetched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.announce(Verdict.NXDOMAIN)
        assert await world.mode() is None
        assert world.fetched == []

    play(tmp_path, story)


@pytest.mark.parametrize("verdict", list(Verdict)[1:])
def test_it_holds_though_the_record_is_gone(tmp_path: Path, verdict: Verdict) -> None:
    async def story(world: World) -> None:
        await world.mode()
        world.announce(verdict)
        world.page = None
        world.now += WEEK - 1
        assert await world.mode() is Mode.ENFORCE
        world.now += 1
        assert await world.mode() is None

    play(tmp_path, story)


def test_another_worker_knows_it_and_so_does_who_starts_anew(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.mode()
        world.page = None
        world.policies = world.worker()
        assert await world.mode() is Mode.ENFORCE
        assert len(world.fetched) == 1

    play(tmp_path, story)


def test_another_id_brings_another_policy_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.mode()
        world.announce("2")
        world.page = policy("testing")
        assert await world.mode() is Mode.TESTING
        world.announce("3")
        world.page = policy("none")
        assert await world.mode() is None
        world.announce(Verdict.NXDOMAIN)
        assert await world.mode() is None

    play(tmp_path, story)


def test_the_old_one_holds_while_the_new_one_cannot_be_had(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.mode()
        world.announce("2")
        world.page = None
        assert await world.mode() is Mode.ENFORCE
        assert await world.mode() is Mode.ENFORCE
        assert len(world.fetched) == 2, "and nobody knocks again within five minutes"
        assert world.told == ["example.com sts-policy-fetch-error"]
        world.now += 301
        world.page = policy("testing")
        assert await world.mode() is Mode.TESTING

    play(tmp_path, story)


def test_where_none_was_ever_had_mail_goes_without(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.page = None
        assert await world.mode() is None
        assert await world.mode() is None
        assert len(world.fetched) == 1

    play(tmp_path, story)


def test_an_old_policy_is_fetched_anew_while_mail_goes_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.mode()
        world.now += DAY
        world.gate = asyncio.Event()
        assert await world.mode() is Mode.ENFORCE  # though the policy host says nothing yet
        await asyncio.sleep(0)
        assert len(world.fetched) == 2
        world.gate.set()
        await world.settled()
        world.now += WEEK - 1
        assert await world.mode() is Mode.ENFORCE

    play(tmp_path, story)


def test_a_short_one_is_fetched_anew_after_half_its_life(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.page = policy(age=1000)
        await world.mode()
        world.now += 499
        await world.mode()
        await world.settled()
        assert len(world.fetched) == 1
        world.now += 1
        await world.mode()
        await world.settled()
        assert len(world.fetched) == 2

    play(tmp_path, story)


def test_many_who_ask_at_once_fetch_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        modes = await asyncio.gather(*(world.mode() for _ in range(50)))
        assert set(modes) == {Mode.ENFORCE}
        assert len(world.fetched) == 1

    play(tmp_path, story)


def test_mail_does_not_wait_for_ever_and_what_comes_late_counts_for_the_next(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        world.gate = asyncio.Event()
        assert await world.mode() is None
        world.gate.set()
        await world.settled()
        assert await world.mode() is Mode.ENFORCE
        assert len(world.fetched) == 1

    play(tmp_path, story)


def test_who_is_cancelled_takes_nobody_along(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.gate = asyncio.Event()
        first = asyncio.ensure_future(world.mode())
        second = asyncio.ensure_future(world.mode())
        async with asyncio.timeout(5):
            while not world.fetched:
                await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        world.gate.set()
        assert await second is Mode.ENFORCE

    play(tmp_path, story)


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "mta-sts").write_text("in the way")

    async def story(world: World) -> None:
        assert await world.mode() is Mode.ENFORCE

    play(tmp_path, story)


def test_files_are_read_back_as_they_were(tmp_path: Path) -> None:
    files = PolicyFiles(tmp_path / "mta-sts")
    kept = Kept("1", read_policy(policy()), 5.0, policy())
    files.write("example.com", kept)
    assert files.read("example.com") == kept
    assert files.read("example.org") is None
    assert [file.suffix for file in (tmp_path / "mta-sts").iterdir()] == [".json"]


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_a_broken_file_is_as_good_as_none(noise: bytes, cut: int) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis and tmp_path do not go together

    with tempfile.TemporaryDirectory() as folder:
        files = PolicyFiles(Path(folder))
        files.write("example.com", Kept("1", read_policy(policy()), 5.0, policy()))
        (file,) = Path(folder).iterdir()
        whole = file.read_bytes()
        for broken in (noise, whole[:cut], whole[:cut] + noise, b"[" * 5000, b'{"domain": 1}'):
            file.write_bytes(broken)
            found = files.read("example.com")
            assert found is None or found.policy.mx
