"""One HTTPS request to addresses that the caller has found and allowed.

For what other people's domains make us fetch or send (MTA-STS policies, TLS reports): the
certificate is always checked, no redirect is followed, no proxy of the environment is used, no
name is looked up here, and size and time have an end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

CONNECT_TIMEOUT: Final = 15.0  # seconds for one address, TLS included
PORT: Final = 443


class HttpsFailed(Exception):
    """No answer came; `distrusted` is True where the host's certificate was at fault."""

    def __init__(self, why: str, *, distrusted: bool = False) -> None:
        super().__init__(why)
        self.distrusted = distrusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked; `path` begins with a slash and may have a query."""

    host: str
    path: str
    port: int = PORT
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Page:
    """What came back; `kind` is the media type without parameters, in lower case."""

    status: int
    kind: str
    content: bytes


async def ask(
    request: Request,
    addresses: Sequence[tuple[str, int]],
    context: ssl.SSLContext,
    *,
    limit: int,
    seconds: float,
) -> Page:
    """Send a request to the first address that answers; raise `HttpsFailed`.

    `limit` is the most octets of an answer's content, `seconds` the time for all of it.
    """
    failed = HttpsFailed(f"{request.host} has no address")
    try:
        async with asyncio.timeout(seconds):
            for address, port in addresses:
                try:
                    return await _ask(request, address, port, context, limit)
                except httpx.ConnectError as error:
                    failed = _unconnected(request.host, error)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise HttpsFailed(f"{request.host}: {_words(error)}") from None
    except TimeoutError:
        raise HttpsFailed(f"{request.host} took longer than {seconds:.0f} s") from None
    raise failed


async def _ask(
    request: Request, address: str, port: int, context: ssl.SSLContext, limit: int
) -> Page:
    bracketed = f"[{address}]" if ":" in address else address
    named = request.host if request.port == PORT else f"{request.host}:{request.port}"
    async with (
        httpx.AsyncClient(
            verify=context,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
        ) as client,
        client.stream(
            request.method,
            f"https://{bracketed}:{port}{request.path}",
            # Compressed, a small answer could become a large one.
            headers={"Host": named, "Accept-Encoding": "identity", **request.headers},
            content=request.content or None,
            extensions={"sni_hostname": request.host},
        ) as response,
    ):
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise HttpsFailed(f"{request.host} compressed what was to come as it is")
        content = bytearray()
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > limit:
                raise HttpsFailed(f"{request.host} sent more than {limit} octets")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Page(response.status_code, kind, bytes(content))


def _unconnected(host: str, error: httpx.ConnectError) -> HttpsFailed:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return HttpsFailed(f"{host}: {cause.verify_message}", distrusted=True)
        cause = cause.__cause__ or cause.__context__
    return HttpsFailed(f"{host}: {_words(error)}")


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
