"""The life of the server: start, watch, reload, stop.

    serve(settings, config_path=Path("/etc/postwicket/postwicket.toml"))

SIGTERM and SIGINT drain: the workers are told to finish, and after `DRAIN` seconds they are
killed; a second signal hurries.  SIGHUP reads the configuration again: workers with the new
one are started on the same sockets, and once they are ready the old ones are told to let
their sessions end.  A configuration that does not work is refused and changes nothing.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from postwicket.config import Settings
from postwicket.config.environment import PATH_OF_THE_FILE
from postwicket.journal.log import Log, open_log

from .crew import Crew, Generation, Programs, Worker
from .errors import CannotServe
from .ground import DataLock, drop_privileges, find_identity, prepare_folder, set_limits
from .notify import Notifier
from .process import OURS
from .renewal import Renewal, check_certificate
from .roll import load_next, open_generation
from .sockets import OpenListener, close_unused, given_sockets, open_listeners, write_ports

DRAIN: Final = 40.0  # seconds; the workers give up by themselves after 30
HURRY: Final = 2.0
READY_WITHIN: Final = 60.0  # seconds for a new generation, before the reload is called off
TRIES_AT_START: Final = 3

Ready = Callable[[Sequence[OpenListener]], object]


def serve(
    settings: Settings,
    *,
    config_path: Path | None = None,
    ready: Ready | None = None,
    programs: Programs | None = None,
) -> int:
    """Run the server until it is told to stop; return the exit status.

    `ready` is called once, when all workers are ready, with the open listeners.  The caller
    must have no other threads.  What prevents the start goes to standard error, as
    `what is wrong; what to do`, and the status is 1.
    """
    log = open_log(settings.log.format, settings.log.level)
    notifier = Notifier(os.environ)
    if config_path is not None:
        # What workers start (the sweep of the sendmail spool) reads the same file.
        os.environ[PATH_OF_THE_FILE] = str(config_path.absolute())
    lock: DataLock | None = None
    try:
        lock, listeners = _prepare(settings, log)
        programs = programs or _installed(log)
        programs.open_storage(settings.data)
        supervisor = Supervisor(
            settings, listeners, config_path, programs=programs, log=log, notifier=notifier
        )
        return supervisor.run(ready)
    except CannotServe as error:
        notifier.stopping(str(error))
        sys.stderr.write(f"postwicket: {error}\n")
        return 1
    finally:
        if lock is not None:
            lock.close()


def _installed(log: Log) -> Programs:
    from .programs import InstalledPrograms  # noqa: PLC0415 - the whole server hangs on it

    return InstalledPrograms(log)


def _prepare(settings: Settings, log: Log) -> tuple[DataLock, tuple[OpenListener, ...]]:
    """Do what needs root, then stop being root; take the lock and the ports."""
    identity = find_identity(settings.user, settings.group)
    set_limits()
    prepare_folder(settings.data, identity)
    lock = DataLock(settings.data, identity)
    lock.take(lambda: log.warning("waiting for the workers of a server that was killed"))
    given = given_sockets(os.environ)
    listeners = open_listeners(settings.listener, workers=settings.worker_count, given=given)
    used = {each for one in listeners for each in one.sockets}
    for each in given:
        if each not in used:
            log.warning("systemd gave a socket that no listener names", at=str(each.getsockname()))
            each.close()
    drop_privileges(identity)
    if os.geteuid() == 0:
        log.warning("the workers run as root; set `user` to an account of their own")
    check_certificate(settings)
    write_ports(settings.data, listeners)
    return lock, listeners


class Supervisor:
    """The main loop and what it decides."""

    def __init__(
        self,
        settings: Settings,
        listeners: tuple[OpenListener, ...],
        config_path: Path | None,
        *,
        programs: Programs,
        log: Log,
        notifier: Notifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config_path = config_path
        self._log = log
        self._notifier = notifier
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._signals, self._wake = socket.socketpair()
        for each in (self._signals, self._wake):
            each.settimeout(0)
        self._crew = Crew(
            programs, log, self._selector, clock, (self._signals, self._wake, self._selector)
        )
        self._number = 0
        self._now = open_generation(settings, listeners, number=0, taken=set())
        self._next: Generation | None = None
        self._next_until = 0.0
        self._reload_again = False
        self._stop_at: float | None = None
        self._ready: Ready | None = None
        self._started = False
        self._status = 0
        self._renewal = Renewal(settings, log, clock)
        self._sign_of_life = clock()

    def run(self, ready: Ready | None) -> int:
        """Turn until everybody has gone home; return the exit status."""
        self._ready = ready
        handlers = {number: signal.signal(number, _nothing) for number in OURS}
        before = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            self._selector.register(self._signals, selectors.EVENT_READ)
            gc.freeze()  # what is loaded now stays shared with the workers
            self._crew.staff(self._now)
            while self._crew.workers or self._stop_at is None:
                self._turn()
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            self._crew.dismiss_all(signal.SIGKILL)
            self._put_away()
        self._log.info("server stopped")
        return self._status

    def _put_away(self) -> None:
        close_unused(self._now.listeners, ())
        self._selector.close()
        self._signals.close()
        self._wake.close()
        with contextlib.suppress(OSError):
            (self._now.settings.data / "ports.json").unlink()

    # --- one turn ---------------------------------------------------------------------------

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience()):
            if isinstance(key.data, Worker):
                self._crew.hear(key.data)
        # Before the dead are counted: a terminal's signal reaches the workers as well.
        self._obey(self._pending_signals())
        for worker in self._crew.reap():
            self._lost(worker)
        if self._stop_at is None:
            self._crew.fill_vacancies()
            self._look_after_generations()
            self._renewal.turn()
        elif self._clock() >= self._stop_at:
            self._log.error("workers did not finish in time", count=len(self._crew.workers))
            self._crew.dismiss_all(signal.SIGKILL)
            self._stop_at = self._clock() + HURRY
        self._show_life()

    def _patience(self) -> float:
        """Return the seconds until something is due."""
        now = self._clock()
        due = [now + 60.0, self._renewal.due]
        due += [at for at in (self._crew.next_start(), self._stop_at) if at is not None]
        if self._next is not None:
            due.append(self._next_until)
        if self._notifier.watchdog is not None:
            due.append(self._sign_of_life)
        return max(0.0, min(due) - now)

    def _show_life(self) -> None:
        watchdog, now = self._notifier.watchdog, self._clock()
        if watchdog is not None and now >= self._sign_of_life:
            self._sign_of_life = now + watchdog
            self._notifier.alive()

    def _pending_signals(self) -> bytes:
        try:
            return self._signals.recv(64)
        except BlockingIOError:
            return b""

    def _obey(self, numbers: bytes) -> None:
        for number in numbers:
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._stop(signal.Signals(number).name)
            elif number == signal.SIGHUP:
                self._reload()

    # --- stop -------------------------------------------------------------------------------

    def _stop(self, why: str) -> None:
        now = self._clock()
        if self._stop_at is not None:
            self._stop_at = min(self._stop_at, now + HURRY)
        else:
            self._log.info("server stops", why=why)
            self._notifier.stopping("letting what is under way finish")
            self._stop_at = now + DRAIN
            # Or clients would wait in a queue that nobody accepts from.
            close_unused(self._now.listeners, ())
            if self._next is not None:
                close_unused(self._next.listeners, ())
        self._crew.dismiss_all(signal.SIGTERM)

    # --- start and reload -------------------------------------------------------------------

    def _lost(self, worker: Worker) -> None:
        if worker.dismissed:
            return
        if worker.generation is self._next:
            self._call_off("a new worker ended before it was ready")
        elif not self._started and worker.post.crashes >= TRIES_AT_START:
            self._log.error("server does not start: a worker ends again and again")
            self._status = 1
            self._stop("a worker does not start")

    def _look_after_generations(self) -> None:
        if not self._started and self._crew.ready(self._now):
            self._started = True
            listening = [one.facts() for one in self._now.listeners]
            for facts in listening:
                self._log.info("listening", **facts)
            self._log.info("server ready", workers=len(self._now.posts), pid=os.getpid())
            self._notifier.ready(self._summary())
            if self._ready is not None:
                self._ready(self._now.listeners)
        if self._next is not None:
            if self._crew.ready(self._next):
                self._take_over(self._next)
            elif self._clock() >= self._next_until:
                self._call_off(f"the new workers were not ready within {READY_WITHIN:.0f} s")
        if self._reload_again and self._next is None and self._started:
            self._reload_again = False
            self._reload()

    def _reload(self) -> None:
        if self._stop_at is not None:
            return
        if self._next is not None or not self._started:
            self._reload_again = True
            return
        self._notifier.reloading()
        try:
            self._number += 1
            self._next = load_next(
                self._config_path,
                self._now,
                number=self._number,
                taken=self._crew.slots_in_use(),
                log=self._log,
            )
        except CannotServe as error:
            self._refuse(str(error))
            return
        self._next_until = self._clock() + READY_WITHIN
        self._crew.staff(self._next)

    def _take_over(self, new: Generation) -> None:
        old, self._now, self._next = self._now, new, None
        self._crew.dismiss(old, signal.SIGUSR1)
        close_unused(old.listeners, new.listeners)
        self._renewal = Renewal(new.settings, self._log, self._clock)
        write_ports(new.settings.data, new.listeners)
        self._log.info("configuration reloaded", listeners=len(new.listeners))
        self._notifier.ready(self._summary())

    def _call_off(self, why: str) -> None:
        new, self._next = self._next, None
        if new is not None:
            self._crew.dismiss(new, signal.SIGTERM)
            close_unused(new.listeners, self._now.listeners)
        self._refuse(why)

    def _refuse(self, why: str) -> None:
        self._log.error("reload refused; the old configuration stays", why=why)
        self._notifier.ready(f"{self._summary()}; reload refused: {why}")

    def _summary(self) -> str:
        places = ", ".join(f"{one.listener.host}:{one.port}" for one in self._now.listeners)
        return f"{len(self._now.posts)} workers on {places}"


def _nothing(number: int, frame: object) -> None:
    """Handle a signal by doing nothing: its number comes through the wakeup socket."""
