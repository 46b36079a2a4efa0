"""Unsubscribe links: a page with a button for people, one POST for their mail program (RFC 8058).

To look changes nothing, because mail filters follow links.  There are no cookies, no sign-in, no
redirects, and nothing is asked but the click.
"""

from __future__ import annotations

import re
from typing import Final, Protocol
from urllib.parse import parse_qsl

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from postwicket.storage.interfaces import StorageUnavailable
from postwicket.trust.return_path import UNSUBSCRIBE_PATH

PATH: Final = UNSUBSCRIBE_PATH
LONGEST_BODY: Final = 4096  # octets; the field itself has 26
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_FIELD: Final = re.compile(
    rb'name="?List-Unsubscribe"?[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\nOne-Click\s', re.IGNORECASE
)


class Unsubscribing(Protocol):
    """Who knows the links (`returns.unsubscribing`)."""

    def is_known(self, token: str) -> bool:
        """Say whether a link is one of ours.  Changes nothing."""
        ...

    def is_hasty(self, token: str) -> bool:
        """Say whether this link was asked for too often."""
        ...

    async def unsubscribe(self, token: str, peer: str) -> bool:
        """Stop bulk mail to whom the link is for; False when it is none of ours."""
        ...


class UnsubscribePages:
    """The answers."""

    def __init__(self, unsubscribing: Unsubscribing, templates: Environment) -> None:
        self._unsubscribing = unsubscribing
        self._templates = templates

    def routes(self) -> list[Route]:
        """Return where they are."""
        path = f"{PATH}{{token}}"
        return [
            Route(path, self.ask, methods=["GET"]),
            Route(path, self.unsubscribe, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Show the button."""
        if self._unsubscribing.is_hasty(request.path_params["token"]):
            return self._slow_down()
        if not self._unsubscribing.is_known(request.path_params["token"]):
            return self._unknown()
        return self._page(
            200, "Unsubscribe?", "You will get no more newsletters of this sender.", asks=True
        )

    async def unsubscribe(self, request: Request) -> Response:
        """Do it."""
        if self._unsubscribing.is_hasty(request.path_params["token"]):
            return self._slow_down()
        body = await _body(request)
        if body is None or not is_one_click(body, request.headers.get("content-type", "")):
            return self._page(
                400, "That was no unsubscribe", "Open the link and press the button."
            )
        try:
            done = await self._unsubscribing.unsubscribe(
                request.path_params["token"], _peer(request)
            )
        except StorageUnavailable:
            return self._page(503, "Not now", "It could not be kept: try again in a minute.")
        if not done:
            return self._unknown()
        return self._page(
            200, "You are unsubscribed", "Messages that you ask for, like receipts, still come."
        )

    def _unknown(self) -> Response:
        return self._page(
            404,
            "This link does not work",
            "It is incomplete, or older than 30 days: use the link in a newer message.",
        )

    def _slow_down(self) -> Response:
        return self._page(429, "Too often", "Try again in an hour.")

    def _page(self, status: int, title: str, words: str, *, asks: bool = False) -> Response:
        template = self._templates.get_template("unsubscribe.html")
        text = template.render(title=title, words=words, asks=asks)
        return HTMLResponse(text, status, headers={"content-security-policy": POLICY})


def is_one_click(body: bytes, content_type: str) -> bool:
    """Say whether a body asks to unsubscribe (RFC 8058, section 3.2): either kind of form.

    >>> is_one_click(b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
    True
    """
    if content_type.lower().startswith("multipart/form-data"):
        return _FIELD.search(body + b"\r\n") is not None
    try:
        fields = parse_qsl(body.decode("ascii"), max_num_fields=10)
    except (UnicodeDecodeError, ValueError):
        return False
    return ("List-Unsubscribe", "One-Click") in fields


async def _body(request: Request) -> bytes | None:
    """Return the body, or None when it is too long."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            return None
    return body


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


class PublicDoor:
    """Shows to whom comes by the public name, through a proxy, the unsubscribe links only.

    The inbox is for those inside; a proxy that passes on more than it was told to would open it
    to the world.
    """

    def __init__(self, app: ASGIApp, public: str, inside: str) -> None:
        self._app = app
        self._public = public
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or say that there is nothing."""
        if (
            scope["type"] == "http"
            and self._from_outside(dict(scope["headers"]))
            and not scope["path"].startswith(PATH)
        ):
            await Response(status_code=404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _from_outside(self, headers: dict[bytes, bytes]) -> bool:
        host = headers.get(b"host", b"").decode("latin-1").lower().partition(":")[0]
        if host != self._public:
            return False
        proxied = {b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"} & headers.keys()
        return self._public != self._inside or bool(proxied)
