"""From one configuration to the next: what may change while the server runs, and what not."""

from __future__ import annotations

from pathlib import Path

from postwicket.config import ConfigError, Settings, load
from postwicket.journal.log import Log

from .crew import Generation, make_posts
from .errors import CannotServe
from .renewal import check_certificate
from .sockets import OpenListener, open_listeners

FOR_A_RESTART = ("data", "database", "user", "group", "workers")


def open_generation(
    settings: Settings,
    listeners: tuple[OpenListener, ...],
    *,
    number: int,
    taken: set[int],
    count: int | None = None,
) -> Generation:
    """Return a generation that nobody works for yet; raise `CannotServe`."""
    web = any(one.listener.kind == "http" for one in listeners)
    try:
        posts = make_posts(count or settings.worker_count, web=web, taken=taken, number=number)
    except ValueError as error:
        raise CannotServe(f"{error}: workers of earlier reloads still finish; wait") from None
    return Generation(settings, listeners, posts)


def load_next(
    config_path: Path | None, now: Generation, *, number: int, taken: set[int], log: Log
) -> Generation:
    """Read the configuration again and open what is new in it; raise `CannotServe`."""
    try:
        settings = load(config_path)
    except ConfigError as error:
        raise CannotServe(str(error)) from error
    if settings.data != now.settings.data:
        raise CannotServe("`data` cannot change while the server runs; restart it")
    changed = [
        name for name in FOR_A_RESTART if getattr(settings, name) != getattr(now.settings, name)
    ]
    if changed:
        log.warning("these settings change with the next restart", settings=changed)
        kept = {name: getattr(now.settings, name) for name in changed}
        settings = settings.model_copy(update=kept)
    check_certificate(settings)
    count = sum(post.slot is not None for post in now.posts)
    listeners = open_listeners(settings.listener, workers=count, kept=now.listeners)
    return open_generation(settings, listeners, number=number, taken=taken, count=count)
