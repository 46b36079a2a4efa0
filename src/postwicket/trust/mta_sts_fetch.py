"""Getting an MTA-STS policy (RFC 8461, section 3.3): over HTTPS, from one place, in bounds."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from postwicket.core.tls_verdict import TlsVerdict
from postwicket.net.https import HttpsFailed, Request, ask

from .mta_sts import LARGEST_POLICY, PolicyInvalid, StsPolicy, read_policy

FETCH_TIMEOUT: Final = 60.0  # seconds; section 3.3 suggests one minute

# Returns the socket addresses of a host that may be connected to, the best first.
Where: TypeAlias = Callable[[str], Awaitable[Sequence[tuple[str, int]]]]


class FetchFailed(Exception):
    """There is no policy to be had now; `verdict` is what TLS reports call it."""

    def __init__(self, why: str, verdict: TlsVerdict) -> None:
        super().__init__(why)
        self.verdict = verdict


async def fetch(
    domain: str, where: Where, context: ssl.SSLContext, *, seconds: float = FETCH_TIMEOUT
) -> tuple[StsPolicy, bytes]:
    """Return a domain's policy and the file that it is in; raise `FetchFailed`.

    The certificate has to be for the policy host, the answer 200 and text/plain; redirects are
    not followed.
    """
    host = f"mta-sts.{domain}"
    request = Request(host=host, path="/.well-known/mta-sts.txt")
    try:
        page = await ask(
            request, await where(host), context, limit=LARGEST_POLICY, seconds=seconds
        )
    except HttpsFailed as error:
        verdict = TlsVerdict.STS_WEBPKI if error.distrusted else TlsVerdict.STS_FETCH
        raise FetchFailed(str(error), verdict) from None
    if page.status != 200:
        raise FetchFailed(f"{host} answered {page.status}", TlsVerdict.STS_FETCH)
    if page.kind != "text/plain":
        why = f"{host} sent {page.kind[:60]!r} in place of text/plain"
        raise FetchFailed(why, TlsVerdict.STS_INVALID)
    try:
        return read_policy(page.content), page.content
    except PolicyInvalid as error:
        raise FetchFailed(f"{host}: {error}", TlsVerdict.STS_INVALID) from None
