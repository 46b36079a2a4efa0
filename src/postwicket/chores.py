"""What one worker of the machine does now and then: old mail, spool, DKIM keys, TLS reports."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from concurrent.futures import Executor
from functools import partial
from typing import Final

from postwicket.config import Settings
from postwicket.core.queue_id import QueueIds
from postwicket.delivery.naming import resolver_for
from postwicket.delivery.tls_reporting import Sent, report_forever, reporter_for
from postwicket.journal.log import Log
from postwicket.storage.interfaces import StorageUnavailable
from postwicket.storage.opening import open_store
from postwicket.storage.sqlite_queue import SqliteQueue
from postwicket.submission.domain_keys import Cared, care_forever
from postwicket.trust.signer import Signer

FORGET_EVERY: Final = 3600.0  # seconds
SWEEP_SPOOL_EVERY: Final = 10.0  # seconds
FIRST_SWEEP_AFTER: Final = 1.0  # seconds: then every worker listens


def start_chores(
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
