"""Who may look, and what every answer carries.

`Door` stands before the site: it lets in the networks of one listener, and only requests for
names that are ours.  The second is against DNS rebinding: a page of somebody else's, whose
name was made to point at us, still sends its own name as Host.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postwicket.config import Listener

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# What strangers wrote: no scripts, no remote loads, an origin of its own even in its own tab.
MAIL_POLICY: Final = (
    "sandbox; default-src 'none'; img-src data: cid:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class SecurityHeaders:
    """Adds what every answer carries; a page's own Content-Security-Policy wins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add on the way back."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", PAGE_POLICY)
            await send(message)

        await self._app(scope, receive, add)


class OurNames:
    """Refuses requests for a host that is not ours with 421 (RFC 9110, section 15.5.20).

    A name that is an IP address cannot be rebound, so every address is ours.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names) | {"localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http" and not self._ours(Headers(scope=scope).getlist("host")):
            refusal = PlainTextResponse("This server has another name.\n", 421)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:  # RFC 9112, section 3.2: exactly one
            return False
        name, bracket, _ = hosts[0].lower().partition("]")
        if bracket:
            return _address(name.removeprefix("[")) is not None
        name = name.partition(":")[0].removesuffix(".")
        return name in self._names or _address(name) is not None


class Door:
    """Lets in who may connect to one listener."""

    def __init__(self, app: ASGIApp, listener: Listener) -> None:
        self._app = app
        self._networks = listener.networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "http" and not self._welcome(scope.get("client")):
            refusal = PlainTextResponse("Your address may not look at this server.\n", 403)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _welcome(self, client: tuple[str, int] | None) -> bool:
        address = _address(client[0]) if client else None
        if address is None:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not self._networks:
            return address.is_loopback
        return any(
            address.version == network.version and address in network for network in self._networks
        )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
