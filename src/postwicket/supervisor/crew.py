"""The workers: who is there, who has to be started again and when, who may go.

A generation is one configuration with its sockets; it has a post for each mail worker and one
for the web worker.  A post is filled again when its worker ends unexpectedly, after a pause
that grows while it keeps happening.  Dismissed workers finish what they have and are not
replaced.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from postwicket.config import Settings
from postwicket.journal.log import Log

from .process import READY, Closable, describe_end, fork_worker
from .sockets import OpenListener

SHORTEST_PAUSE: Final = 0.1  # seconds before a worker that crashed is started again
LONGEST_PAUSE: Final = 10.0
SOUND_AFTER: Final = 60.0  # seconds of life after which earlier crashes are forgiven
SLOTS: Final = 1024  # core/queue_id.py keeps 10 bits for them


class Programs(Protocol):
    """What workers do, and what has to be done when one of them is gone."""

    def run_worker(
        self,
        settings: Settings,
        *,
        slot: int,
        sockets: Mapping[int, socket.socket],
        control: int,
    ) -> int | None:
        """Accept and deliver; `sockets` are by the listener's index in `settings.listener`."""
        ...

    def run_web(
        self, settings: Settings, *, sockets: Mapping[int, socket.socket], control: int
    ) -> int | None:
        """Serve the http listeners."""
        ...

    def open_storage(self, data: Path) -> None:
        """Bring the database up to date and release all claims; raise `CannotServe`."""
        ...

    def release(self, data: Path, slot: int) -> None:
        """Release what the worker in this slot had claimed.  Logs what goes wrong."""
        ...


@dataclass(slots=True, kw_only=True)
class Post:
    """One worker's place.  `slot` is None for the web worker, which claims nothing."""

    index: int
    slot: int | None
    crashes: int = 0

    @property
    def name(self) -> str:
        """What logs call it."""
        return "web" if self.slot is None else "mail"


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """One configuration at work, or about to be."""

    settings: Settings
    listeners: tuple[OpenListener, ...]
    posts: tuple[Post, ...]

    def sockets(self, post: Post) -> dict[int, socket.socket]:
        """Return the sockets of a post, by the listener's index."""
        web = post.slot is None
        return {
            number: one.socket_of(post.index)
            for number, one in enumerate(self.listeners)
            if (one.listener.kind == "http") is web
        }


@dataclass(slots=True, kw_only=True, eq=False)
class Worker:
    """A process that is alive, as far as we know."""

    pid: int
    control: socket.socket
    post: Post
    generation: Generation
    since: float
    ready: bool = False
    dismissed: bool = False


@dataclass(slots=True)
class Crew:
    """All workers of all generations."""

    programs: Programs
    log: Log
    selector: selectors.BaseSelector
    clock: Callable[[], float]
    not_theirs: tuple[Closable, ...]
    workers: dict[int, Worker] = field(default_factory=dict)
    _vacant: list[tuple[float, Generation, Post]] = field(default_factory=list)

    def staff(self, generation: Generation) -> None:
        """Start a worker for each post."""
        for post in generation.posts:
            self._hire(generation, post)

    def slots_in_use(self) -> set[int]:
        """Return the slots of living workers."""
        slots = (worker.post.slot for worker in self.workers.values())
        return {slot for slot in slots if slot is not None}

    def of(self, generation: Generation) -> list[Worker]:
        """Return the living workers of a generation."""
        return [each for each in self.workers.values() if each.generation is generation]

    def ready(self, generation: Generation) -> bool:
        """Tell whether every post has a worker that said it is ready."""
        return sum(each.ready for each in self.of(generation)) == len(generation.posts)

    def next_start(self) -> float | None:
        """Return when the next vacant post is to be filled."""
        return min((at for at, _, _ in self._vacant), default=None)

    def fill_vacancies(self) -> None:
        """Start the workers whose pause is over."""
        now = self.clock()
        due = [vacancy for vacancy in self._vacant if vacancy[0] <= now]
        self._vacant = [vacancy for vacancy in self._vacant if vacancy[0] > now]
        for _, generation, post in due:
            self._hire(generation, post)

    def dismiss(self, generation: Generation, number: signal.Signals) -> None:
        """Send the signal to every worker of a generation; nobody is replaced."""
        self._vacant = [vacancy for vacancy in self._vacant if vacancy[1] is not generation]
        for worker in self.of(generation):
            worker.dismissed = True
            _kill(worker.pid, number)

    def dismiss_all(self, number: signal.Signals) -> None:
        """Send the signal to everybody."""
        for generation in {worker.generation for worker in self.workers.values()}:
            self.dismiss(generation, number)
        self._vacant = []

    def hear(self, worker: Worker) -> None:
        """Read what a worker has to say."""
        try:
            said = worker.control.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if READY in said:
            worker.ready = True
        if not said:  # it is ending; how, we learn when it is reaped
            self._stop_listening(worker)

    def reap(self) -> Iterator[Worker]:
        """Yield each worker that has ended, after its claims were released."""
        for pid, status in _ended():
            worker = self.workers.pop(pid, None)
            if worker is None:
                continue
            self._stop_listening(worker)
            worker.control.close()
            self._note(worker, status)
            yield worker

    def _note(self, worker: Worker, status: int) -> None:
        post = worker.post
        say = self.log.info if worker.dismissed and status == 0 else self.log.error
        say(
            "worker ended",
            worker=post.name,
            slot=post.slot,
            pid=worker.pid,
            how=describe_end(status),
        )
        if post.slot is not None and (status != 0 or not worker.dismissed):
            self.programs.release(worker.generation.settings.data, post.slot)
        if not worker.dismissed:
            now = self.clock()
            post.crashes = 1 if now - worker.since >= SOUND_AFTER else post.crashes + 1
            again = now + pause_before_restart(post.crashes)
            self._vacant.append((again, worker.generation, post))

    def _hire(self, generation: Generation, post: Post) -> None:
        pid, control = fork_worker(
            self._work(generation, post), not_theirs=tuple(self._not_theirs(generation, post))
        )
        worker = Worker(
            pid=pid, control=control, post=post, generation=generation, since=self.clock()
        )
        self.workers[pid] = worker
        self.selector.register(control, selectors.EVENT_READ, worker)
        self.log.info("worker started", worker=post.name, slot=post.slot, pid=pid)

    def _work(self, generation: Generation, post: Post) -> Callable[[int], int | None]:
        settings, sockets, slot = generation.settings, generation.sockets(post), post.slot
        programs = self.programs
        if slot is None:
            return lambda control: programs.run_web(settings, sockets=sockets, control=control)
        return lambda control: programs.run_worker(
            settings, slot=slot, sockets=sockets, control=control
        )

    def _not_theirs(self, generation: Generation, post: Post) -> Iterator[Closable]:
        """Yield what the worker must not hold open, or nobody would see it close."""
        yield from self.not_theirs
        for worker in self.workers.values():
            yield worker.control
        theirs = set(generation.sockets(post).values())
        every = {each.generation for each in self.workers.values()} | {generation}
        sockets = {each for one in every for o in one.listeners for each in o.sockets}
        yield from sockets - theirs

    def _stop_listening(self, worker: Worker) -> None:
        if worker.control in self.selector.get_map():
            self.selector.unregister(worker.control)


def make_posts(count: int, *, web: bool, taken: set[int], number: int) -> tuple[Post, ...]:
    """Return the posts of generation `number`, in slots that nobody has.

    Raises ValueError when so many workers of earlier generations live that none are left.
    """
    for turn in range(SLOTS):
        slots = [((number + turn) * count + index) % SLOTS for index in range(count)]
        if taken.isdisjoint(slots):
            mail = (Post(index=index, slot=slot) for index, slot in enumerate(slots))
            return (*mail, Post(index=0, slot=None)) if web else tuple(mail)
    raise ValueError(f"there are no {count} free slots")


def pause_before_restart(crashes: int) -> float:
    """Return how long to wait after the crashes in a row.

    >>> [pause_before_restart(crashes) for crashes in (1, 2, 3, 7, 8, 1000)]
    [0.1, 0.2, 0.4, 6.4, 10.0, 10.0]
    """
    return min(SHORTEST_PAUSE * 2.0 ** min(crashes - 1, 20), LONGEST_PAUSE)


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _kill(pid: int, number: signal.Signals) -> None:
    # Only ever a child that was not reaped yet, so the number cannot belong to another.
    os.kill(pid, number)
