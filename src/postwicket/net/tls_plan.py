"""How to do TLS with a host that we connect to, and how to judge it once the handshake is over."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from postwicket.core.tls_verdict import TlsVerdict

from .tls import TlsLayer


@dataclass(frozen=True, slots=True)
class TlsPlan:
    """What TLS with one host takes.

    `name` is what the peer is told (SNI) and, where the context verifies, what its certificate
    must be for.  `trust` is asked after the handshake: it says in words why the peer is trusted,
    "" for not at all, or raises `TlsFailed`.  `heard` is told how TLS went, once for each
    connection on which it was to come about, with our IP address and the peer's.  `verified` is
    False where nobody verifies and that is to be shown.
    """

    context: ssl.SSLContext
    name: str
    verified: bool = True
    trust: Callable[[TlsLayer], str] | None = None
    heard: Callable[[TlsVerdict, str, str], None] | None = None
