"""The composition root: the only module that knows every other, and what one worker is made of.

The supervisor forks workers and calls `run_worker` or `run_web` in them.  A worker's settings
never change: a new configuration comes with new workers, and the old ones end in their own time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Final

from postwicket.config import Settings
from postwicket.core.queue_id import QueueIds
from postwicket.delivery.dispatcher import Dispatcher
from postwicket.delivery.guiding import guide_for
from postwicket.delivery.naming import resolver_for
from postwicket.delivery.tls_reporting import Sent, report_forever, reporter_for
from postwicket.identity.keys import SECRETS, load_key
from postwicket.journal.log import Log, open_log
from postwicket.net.authority import ensure_authority
from postwicket.net.certificates import Certificates
from postwicket.policy.amount import Allowance
from postwicket.policy.timing import Bounds
from postwicket.returns.opening import open_reception, unsubscribe_links
from postwicket.returns.reception import Reception, inbound_terms
from postwicket.returns.session import InboundSession
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.opening import open_queue, open_store
from postwicket.storage.sqlite import SqliteStore
from postwicket.storage.sqlite_queue import SqliteQueue
from postwicket.submission.accept import Door, unsigned
from postwicket.submission.connection import Connection
from postwicket.submission.conversation import Begin
from postwicket.submission.counter import Counter
from postwicket.submission.domain_keys import Cared, care_forever
from postwicket.submission.listening import Listening, terms_of
from postwicket.submission.session import Session
from postwicket.submission.sign_in import Members, SignIn
from postwicket.trust.keyring import KeyRing
from postwicket.trust.signer import Signer
from postwicket.trust.vault import Vault

READY: Final = b"R"
BACKLOG: Final = 1024
DRAIN: Final = 30.0  # seconds that what is under way gets to finish
FORGET_EVERY: Final = 3600.0  # seconds
SWEEP_SPOOL_EVERY: Final = 10.0  # seconds
FIRST_SWEEP_AFTER: Final = 1.0  # seconds: then every worker listens
# The kernel drops what it cannot hand out; a worker of this design makes few cycles.
GARBAGE_THRESHOLDS: Final = (50_000, 20, 100)


def run_worker(
    settings: Settings, *, slot: int, sockets: Mapping[int, socket.socket], control: int
) -> int:
    """Accept and deliver until told to stop; return the exit status.

    `sockets` are listening, by the index of their listener.  One byte is written to `control`
    when clients are served; its end of file means that the supervisor is gone.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_work(settings, slot, sockets, control))


def run_web(settings: Settings, *, sockets: Mapping[int, socket.socket], control: int) -> int:
    """Serve the web until told to stop; return the exit status."""
    from postwicket.web.serving import serve_web  # noqa: PLC0415 (mail workers do not need it)

    return serve_web(settings, sockets=sockets, control=control)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 (optional speed)
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _work(
    settings: Settings, slot: int, sockets: Mapping[int, socket.socket], control: int
) -> int:
    """Be a mail worker: open everything, serve, and end in the way that was asked for."""
    loop = asyncio.get_running_loop()
    log = open_log(settings.log.format, settings.log.level)
    log.adopt_standard_logging()
    ending = _Ending(loop, control)
    with (
        ThreadPoolExecutor(4, "disk") as disk,
        ThreadPoolExecutor(2, "password") as passwords,
        ThreadPoolExecutor(2, "sign") as signing,
    ):
        store = open_store(settings.data)
        queue = open_queue(settings.data, loop, committed=log.entries)
        ids = QueueIds(slot)
        guide = guide_for(
            settings,
            time.time,
            listening=[listening.getsockname()[:2] for listening in sockets.values()],
            count=queue.count_tls,
            disk=disk,
        )
        ring = _ring(settings, store, log)
        signer = _signer(settings, ring, queue, signing)
        dispatcher = Dispatcher(
            settings, queue, ids, guide, slot=slot, clock=time.time, disk=disk, signer=signer
        )
        door = _door(settings, queue, dispatcher, ids, slot, disk, signer)
        counter = _counter(settings, door, store, queue, disk, passwords, log)
        reception = open_reception(settings, queue, ids, ring.domains, time.time, signer)
        servers = await _listen(settings, sockets, counter, reception, log)
        dispatcher.start()
        chores = _chores(settings, slot, disk, log, queue, ids, signer)
        gc.collect()
        gc.freeze()  # what was imported stays: the collector need not look at it again
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        os.write(control, READY)
        await ending.asked_for.wait()
        for chore in chores:
            chore.cancel()
        if ending.retire:
            await _retire(servers, counter, dispatcher, ending, settings.session.total)
        await _drain(servers, counter, dispatcher)
        await queue.close()
        store.close()
    return 0


class _Ending:
    """How this worker is asked to end.

    SIGTERM, or the supervisor's death, asks to drain: no new mail, what is under way finishes.
    SIGUSR1 asks to retire: no new clients, but those that are here may stay.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, control: int) -> None:
        self.asked_for = asyncio.Event()
        self.drain = asyncio.Event()
        self.retire = False
        self._loop = loop
        self._control = control
        loop.add_signal_handler(signal.SIGTERM, self._on_drain)
        loop.add_signal_handler(signal.SIGUSR1, self._on_retire)
        for ignored in (signal.SIGINT, signal.SIGHUP):  # the supervisor's business
            signal.signal(ignored, signal.SIG_IGN)
        loop.add_reader(control, self._on_control)

    def _on_drain(self) -> None:
        self.drain.set()
        self.asked_for.set()

    def _on_retire(self) -> None:
        self.retire = True
        self.asked_for.set()

    def _on_control(self) -> None:
        if not os.read(self._control, 64):
            self._loop.remove_reader(self._control)
            self._on_drain()


def _door(
    settings: Settings,
    queue: SqliteQueue,
    dispatcher: Dispatcher,
    ids: QueueIds,
    slot: int,
    disk: Executor,
    signer: Signer | None,
) -> Door:
    return Door(
        queue,
        dispatcher,
        ids,
        slot=slot,
        hostname=settings.hostname,
        expire=settings.queue.expire,
        clock=time.time,
        disk=disk,
        signer=signer,
        links=unsubscribe_links(settings),
    )


def _counter(
    settings: Settings,
    door: Door,
    store: SqliteStore,
    queue: SqliteQueue,
    disk: Executor,
    passwords: Executor,
    log: Log,
) -> Counter:
    limits = settings.limits
    members = Members(store)
    sign_in = SignIn(
        members,
        load_key(settings.data),
        clock=time.time,
        threads=passwords,
        at_once=settings.session.password_checks,
    )
    return Counter(
        settings=settings.session,
        door=door,
        sign_in=sign_in,
        members=members,
        bodies=queue.bodies,
        allowance=Allowance(
            messages_per_day=limits.messages_per_day,
            recipients_per_day=limits.recipients_per_day,
            recipients_per_message=limits.recipients_per_message,
            message_size=limits.message_size,
        ),
        record=queue.record,
        report=lambda bug: log.error("a session failed", exc_info=bug),
        clock=time.time,
        disk=disk,
        loop=asyncio.get_running_loop(),
        bounds=Bounds(hold_at_most=settings.queue.hold_at_most, priority=settings.limits.priority),
    )


def _ring(settings: Settings, store: SqliteStore, log: Log) -> KeyRing:
    return KeyRing(store, Vault(load_key(settings.data, SECRETS)), time.time, log.error)


def _signer(
    settings: Settings, ring: KeyRing, queue: SqliteQueue, threads: Executor
) -> Signer | None:
    """Return what signs with the keys of the verified domains; None where signing is off."""
    if not settings.signing.dkim:
        return None
    return Signer(
        ring,
        time.time,
        threads,
        expires=settings.signing.expires,
        unsigned=lambda domain: queue.record(unsigned(domain, time.time())),
    )


async def _listen(
    settings: Settings,
    sockets: Mapping[int, socket.socket],
    counter: Counter,
    reception: Reception,
    log: Log,
) -> list[asyncio.Server]:
    """Serve the listeners of mail on their sockets."""
    loop = asyncio.get_running_loop()
    certificates = _certificates(settings, log)
    starttls_ports = tuple(
        sockets[index].getsockname()[1]
        for index, listener in enumerate(settings.listener)
        if index in sockets and listener.kind == "submission" and listener.tls == "starttls"
    )
    servers = []
    for index, listening_socket in sockets.items():
        listener = settings.listener[index]
        inbound = listener.kind == "inbound"
        listening = Listening(
            settings=listener,
            terms=inbound_terms(listener, hostname=settings.hostname)
            if inbound
            else terms_of(
                listener,
                hostname=settings.hostname,
                size=settings.limits.message_size,
                recipients=settings.limits.recipients_per_message,
                hold_at_most=settings.queue.hold_at_most,
            ),
            certificates=certificates if listener.tls != "none" else None,
            starttls_ports=starttls_ports,
        )
        begin: Begin = (
            partial(InboundSession, listening, counter, reception)
            if inbound
            else partial(Session, listening, counter)
        )
        servers.append(
            await loop.create_server(
                partial(Connection, listening, counter, begin),
                sock=listening_socket,
                backlog=BACKLOG,
            )
        )
    return servers


def _certificates(settings: Settings, log: Log) -> Certificates | None:
    """Return what the listeners with TLS show, or None where there is none.

    The supervisor has made our own certificate before us, for the same listeners: workers that
    made it each for themselves would mix up their keys.
    """
    if all(listener.tls == "none" for listener in settings.listener):
        return None
    if settings.tls is None:
        own = ensure_authority(settings.data, settings.hostname)
        certificate, key, tickets = own.certificate, own.key, 0
    else:
        certificate, key = settings.tls.certificate, settings.tls.key
        tickets = settings.tls.tickets
    return Certificates(
        certificate, key, clock=time.monotonic, tickets=tickets, report=log.warning
    )


# --- chores -------------------------------------------------------------------------------


def _chores(
    settings: Settings,
    slot: int,
    disk: Executor,
    log: Log,
    queue: SqliteQueue,
    ids: QueueIds,
    signer: Signer | None,
) -> list[asyncio.Task[None]]:
    """Start what one worker of the machine does now and then."""
    if slot % settings.worker_count:
        return []
    loop = asyncio.get_running_loop()
    chores = [
        loop.create_task(_forget(settings, disk, log)),
        loop.create_task(_sweep_spool(settings)),
    ]
    if settings.signing.dkim:
        chores.append(loop.create_task(_care_for_keys(settings, log)))
    if settings.tls_reports.send:
        reporting = _report_tls(settings, queue, ids, disk, signer, log)
        chores.append(loop.create_task(reporting))
    return chores


async def _care_for_keys(settings: Settings, log: Log) -> None:
    """Give old DKIM keys successors, and let keys sign whose records have appeared."""

    def told(done: Cared) -> None:
        log.info(done.what, domain=done.domain, keys=", ".join(done.keys))

    with contextlib.closing(open_store(settings.data)) as own:
        await care_forever(own, settings, resolver_for(settings, time.time), time.time, told)


async def _report_tls(
    settings: Settings,
    queue: SqliteQueue,
    ids: QueueIds,
    disk: Executor,
    signer: Signer | None,
    log: Log,
) -> None:
    """Send the daily TLS reports."""

    def told(sent: Sent) -> None:
        log.info("TLS report", domain=sent.domain, to=sent.place, outcome=sent.outcome)

    with contextlib.closing(open_store(settings.data)) as own:
        reporter = reporter_for(settings, own, queue, ids, time.time, disk=disk, signer=signer)
        await report_forever(reporter, chance=random.random, told=told)


async def _forget(settings: Settings, disk: Executor, log: Log) -> None:
    """Delete finished messages that have been kept long enough."""
    while True:
        before = time.time() - settings.queue.keep
        try:
            with contextlib.closing(open_store(settings.data)) as own:
                await asyncio.get_running_loop().run_in_executor(
                    disk, partial(own.forget, before=before)
                )
        except StorageUnavailable as error:
            log.warning("old messages could not be deleted", why=str(error))
        await asyncio.sleep(FORGET_EVERY)


async def _sweep_spool(settings: Settings) -> None:
    """Hand in what postwicket-sendmail had to keep while nobody listened."""
    spool = settings.sendmail.spool or settings.data / "spool"
    pause = FIRST_SWEEP_AFTER
    while True:
        await asyncio.sleep(pause)
        pause = SWEEP_SPOOL_EVERY
        if spool.is_dir() and any(path.is_file() for path in spool.iterdir()):
            sweep = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "postwicket.sendmail",
                "-q",
                stderr=asyncio.subprocess.DEVNULL,
            )
            await sweep.wait()


# --- the end ------------------------------------------------------------------------------


async def _retire(
    servers: list[asyncio.Server],
    counter: Counter,
    dispatcher: Dispatcher,
    ending: _Ending,
    patience: float,
) -> None:
    """Take no new clients and no new deliveries; wait until those that are here have gone."""
    for server in servers:
        server.close()
    # Mail that is handed in from now on is stored for the workers that come after.
    await dispatcher.drain(time.time() + DRAIN)
    until = [asyncio.ensure_future(counter.emptied()), asyncio.ensure_future(ending.drain.wait())]
    await asyncio.wait(until, timeout=2 * patience, return_when=asyncio.FIRST_COMPLETED)
    for waiting in until:
        waiting.cancel()


async def _drain(servers: list[asyncio.Server], counter: Counter, dispatcher: Dispatcher) -> None:
    """Refuse new mail with 421, and let what is under way finish."""
    deadline = time.monotonic() + DRAIN
    counter.drain()
    await dispatcher.drain(time.time() + DRAIN)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(counter.emptied(), max(0.0, deadline - time.monotonic()))
    for server in servers:
        server.close()
    counter.abandon()
