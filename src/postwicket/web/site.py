"""The site: health for machines, the local inbox for people, unsubscribe links for everybody.

Nothing on it changes anything, save the button behind an unsubscribe link.
`create_site(settings, store)` returns the application, `serve.py` puts it on sockets.  Pages
are made on the server and need no script.  What the storage and the mail parser do, they do
one after the other in a thread of their own, so that a few large messages cannot fill memory.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from postwicket.config import Settings
from postwicket.core import queue_id
from postwicket.core.clock import Clock
from postwicket.storage.interfaces import Conflict, Content, Inbox, StorageUnavailable
from postwicket.storage.values import CapturedMessage

from .door import MAIL_POLICY, OurNames, SecurityHeaders
from .reading import READABLE, Reading, part_content, read_header, read_message
from .unsubscribe import PublicDoor, UnsubscribePages, Unsubscribing
from .words import FILTERS

PAGE: Final = 100  # messages on a page of the list
MOST: Final = 2000
SPARE: Final = 2  # how many of the largest messages must still fit on the disk

Found = TypeVar("Found")


def create_site(
    settings: Settings,
    store: Inbox,
    *,
    clock: Clock = time.time,
    unsubscribing: Unsubscribing | None = None,
) -> Starlette:
    """Return the application; `store` is asked from one thread at a time.

    Without `unsubscribing` there are no unsubscribe links.
    """
    pages = _Pages(settings, store, clock)
    names = [settings.hostname]
    middleware = [Middleware(SecurityHeaders)]
    links = []
    public = urlsplit(settings.returns.unsubscribe_url or "").hostname
    if unsubscribing is not None and public is not None:
        names.append(public)
        links = UnsubscribePages(unsubscribing, pages.templates).routes()
        middleware.append(Middleware(PublicDoor, public=public, inside=settings.hostname))
    return Starlette(
        routes=[
            *links,
            Route("/livez", pages.live),
            Route("/readyz", pages.ready),
            Route("/", pages.inbox),
            Route("/inbox/{id}", pages.message),
            Route("/inbox/{id}/html", pages.html),
            Route("/inbox/{id}/source", pages.source),
            Route("/inbox/{id}/part/{number:int}", pages.part),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[*middleware, Middleware(OurNames, names=names)],
        exception_handlers={
            HTTPException: pages.problem,
            StorageUnavailable: pages.unavailable,
        },
    )


class _Pages:
    """The answers."""

    def __init__(self, settings: Settings, store: Inbox, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="web")
        self.templates = Environment(
            loader=PackageLoader("postwicket.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters.update(FILTERS)
        self.templates.globals["hostname"] = settings.hostname

    # --- for machines -----------------------------------------------------------------------

    async def live(self, _: Request) -> Response:
        """Say that the process turns."""
        return PlainTextResponse("ok\n")

    async def ready(self, _: Request) -> Response:
        """Say whether mail can be kept: the database answers and the disk has room."""
        checks = {
            "database": await self._outcome(lambda: self._store.captured(limit=1)),
            "disk": await self._outcome(self._room),
        }
        fine = all(outcome == "ok" for outcome in checks.values())
        return JSONResponse({"ready": fine, "checks": checks}, 200 if fine else 503)

    async def _outcome(self, check: Callable[[], object]) -> str:
        try:
            await self._in_turn(check)
        except (StorageUnavailable, OSError) as error:
            return str(error) or type(error).__name__
        return "ok"

    def _room(self) -> None:
        disk = os.statvfs(self._settings.data)
        needed = SPARE * self._settings.limits.message_size
        if disk.f_bavail * disk.f_frsize < needed:
            raise OSError(f"less than {needed} octets are free")
        if disk.f_files and not disk.f_favail:
            raise OSError("no more files can be made")

    # --- for people -------------------------------------------------------------------------

    async def inbox(self, request: Request) -> Response:
        """Show the list of captured mail, newest first."""
        limit = _limit(request.query_params.get("limit", ""))
        mail = await self._in_turn(lambda: self._store.captured(limit=limit + 1))
        return self._page(
            "inbox.html",
            mail=mail[:limit],
            more=min(limit * 2, MOST) if len(mail) > limit and limit < MOST else None,
            entrances=[one for one in self._settings.listener if one.kind == "submission"],
            ca=None if self._settings.tls else self._settings.data / "ca.pem",
        )

    async def message(self, request: Request) -> Response:
        """Show one message."""
        captured = await self._find(request)
        reading = await self._in_turn(lambda: self._read(captured))
        return self._page("message.html", captured=captured, reading=reading)

    async def html(self, request: Request) -> Response:
        """Give the HTML part as it is, in a cage."""
        captured = await self._find(request)
        reading = await self._in_turn(lambda: self._read(captured))
        if reading.html is None:
            raise HTTPException(404)
        content = reading.html.encode("utf-8", "replace")
        return HTMLResponse(content, headers={"content-security-policy": MAIL_POLICY})

    async def source(self, request: Request) -> Response:
        """Give the message exactly as it would have gone out."""
        captured = await self._find(request)
        content = await self._in_turn(lambda: self._content(captured))
        name = queue_id.spell(captured.message.id)
        headers = _download(f"{name}.eml") | {"content-length": str(content.size)}
        return StreamingResponse(
            content.pieces(), headers=headers, media_type="text/plain; charset=utf-8"
        )

    async def part(self, request: Request) -> Response:
        """Give one attachment, never to be shown by the browser itself."""
        captured = await self._find(request)
        number = int(request.path_params["number"])
        found = await self._in_turn(lambda: part_content(self._bytes(captured), number))
        if found is None:
            raise HTTPException(404)
        headers = _download(found[0]) | {"content-security-policy": MAIL_POLICY}
        return Response(found[1], headers=headers, media_type="application/octet-stream")

    # --- when it goes wrong -----------------------------------------------------------------

    async def problem(self, _: Request, error: Exception) -> Response:
        """Explain a status."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(getattr(error, "headers", None) or {})
        return self._page("problem.html", status, status=status, why="", headers=headers)

    async def unavailable(self, _: Request, error: Exception) -> Response:
        """Explain that the storage does not answer."""
        return self._page("problem.html", 503, status=503, why=str(error), headers={})

    # --- pieces -----------------------------------------------------------------------------

    def _page(self, template: str, status_code: int = 200, **values: Any) -> Response:
        headers = values.pop("headers", None)
        text = self.templates.get_template(template).render(now=self._clock(), **values)
        return HTMLResponse(text.encode("utf-8", "replace"), status_code, headers=headers)

    async def _in_turn(self, work: Callable[[], Found]) -> Found:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _find(self, request: Request) -> CapturedMessage:
        try:
            wanted = queue_id.read(request.path_params["id"])
        except ValueError:
            raise HTTPException(404) from None
        captured = await self._in_turn(lambda: self._store.captured_message(wanted))
        if captured is None:
            raise HTTPException(404)
        return captured

    def _content(self, captured: CapturedMessage) -> Content:
        try:
            return self._store.source(captured.message.id)
        except Conflict:
            raise HTTPException(404) from None

    def _bytes(self, captured: CapturedMessage) -> bytes:
        content = self._content(captured)
        if content.size > READABLE:
            raise HTTPException(404)
        return b"".join(content.pieces())

    def _read(self, captured: CapturedMessage) -> Reading:
        content = self._content(captured)
        if content.size > READABLE:
            return read_header(content.header)
        return read_message(b"".join(content.pieces()))


def _limit(text: str) -> int:
    known = text.isascii() and text.isdigit() and len(text) < 6
    return max(1, min(int(text), MOST)) if known else PAGE


def _download(name: str) -> dict[str, str]:
    """Return the header that makes a browser save a file (RFC 6266)."""
    plain = "".join(
        char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in name
    )
    coded = quote(name.encode("utf-8", "replace"), safe="")
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"}
