"""The composition root: the only module that knows every other, and what one worker is made of.

The supervisor forks workers and calls `run_worker` or `run_web` in them.  A worker's settings
never change: a new configuration comes with new workers, and the old ones end in their own time.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Final

from postwicket.chores import start_chores
from postwicket.config import Settings
from postwicket.core.queue_id import QueueIds
from postwicket.delivery.dispatcher import Dispatcher
from postwicket.delivery.guiding import guide_for
from postwicket.ending import Ending, drain, retire
from postwicket.identity.keys import SECRETS, load_key
from postwicket.journal.log import Log, open_log
from postwicket.net.authority import ensure_authority
from postwicket.net.certificates import Certificates
from postwicket.policy.amount import Allowance
from postwicket.policy.timing import Bounds
from postwicket.returns.opening import open_reception, unsubscribe_links
from postwicket.returns.reception import Reception, inbound_terms
from postwicket.returns.session import InboundSession
from postwicket.storage.opening import open_queue, open_store
from postwicket.storage.sqlite import SqliteStore
from postwicket.storage.sqlite_queue import SqliteQueue
from postwicket.submission.accept import Door, unsigned
from postwicket.submission.connection import Connection
from postwicket.submission.conversation import Begin
from postwicket.submission.counter import Counter
from postwicket.submission.listening import Listening, terms_of
from postwicket.submission.session import Session
from postwicket.submission.sign_in import Members, SignIn
from postwicket.trust.keyring import KeyRing
from postwicket.trust.signer import Signer
from postwicket.trust.vault import Vault

READY: Final = b"R"
BACKLOG: Final = 1024
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
    ending = Ending(loop, control)
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
        chores = start_chores(settings, slot, disk, log, queue, ids, signer)
        gc.collect()
        gc.freeze()  # what was imported stays: the collector need not look at it again
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        os.write(control, READY)
        await ending.asked_for.wait()
        for chore in chores:
            chore.cancel()
        if ending.retire:
            await retire(servers, counter, dispatcher, ending, settings.session.total)
        await drain(servers, counter, dispatcher)
        await queue.close()
        store.close()
    return 0


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
