"""What is said about a connection itself, before and around the SMTP talk on it."""

from __future__ import annotations

from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply

SHUTTING_DOWN: Final = Reply(421, (3, 2), "Shutting down, try again in a minute", "server.drain")
TIMEOUT: Final = Reply(421, (4, 2), "Timeout, closing the connection", "session.timeout")
TOO_SLOW: Final = Reply(
    421, (4, 2), "The message comes too slowly, closing the connection", "session.too-slow"
)
EXPIRED: Final = Reply(421, (7, 0), "Connection expired, try reconnecting", "session.expired")
TOO_MANY: Final = Reply(
    421,
    (7, 0),
    "Too many connections from this address: reuse one for several messages",
    "session.too-many",
)
NOT_HERE: Final = Reply(
    554, (7, 1), "Clients of this address may not connect here", "session.network"
)
TOO_MANY_SIGN_INS: Final = Reply(
    421, (7, 0), "Too many failed sign-ins on this connection", "auth.too-many"
)

TLS_ON_PLAIN_PORT: Final = Refusal(
    reply=Reply(220, None, "-", "tls.implicit-on-starttls-port"),
    cause=Cause.ENCRYPTION,
    why="the client started TLS at once on the STARTTLS port; it was served",
    fix="set the client to STARTTLS on this port, or to SSL/TLS on the implicit-TLS port",
)

TLS_TOO_LATE: Final = Refusal(
    reply=TLS_ON_PLAIN_PORT.reply,
    cause=Cause.ENCRYPTION,
    why="the client started TLS at once on the STARTTLS port, after it was greeted in the clear",
    fix=TLS_ON_PLAIN_PORT.fix,
)


def plain_on_tls_port(starttls_ports: tuple[int, ...]) -> Refusal:
    """Tell a client that speaks or waits in the clear where it has to go."""
    other = f", or STARTTLS on port {starttls_ports[0]}" if starttls_ports else ""
    return Refusal(
        reply=Reply(
            421,
            (7, 0),
            f"This port speaks TLS from the first byte: set the client to SSL/TLS (implicit TLS)"
            f"{other}",
            "tls.plain-on-implicit-port",
        ),
        cause=Cause.ENCRYPTION,
        why="the client spoke or waited in the clear on the implicit-TLS port",
        fix=f"set the client to SSL/TLS (implicit TLS) on this port{other}",
    )


def handshake_failed(reason: str) -> Refusal:
    """Name why TLS did not come about; there is no way to tell the client in words."""
    return Refusal(
        reply=Reply(421, (7, 0), "TLS failed", "tls.handshake"),
        cause=Cause.ENCRYPTION,
        why=f"TLS handshake failed: {reason}",
        fix=_HANDSHAKE_FIXES.get(reason, "update the client's TLS library and its trusted roots"),
    )


_HANDSHAKE_FIXES: Final = {
    "unsupported protocol": "the client is older than TLS 1.2: update it or its TLS library",
    "no shared cipher": "the client has no cipher of today: update it or its TLS library",
    "tlsv1 alert unknown ca": "make the client trust this server's authority (ca.pem)",
    "sslv3 alert certificate unknown": "make the client trust this server's authority (ca.pem)",
    "tlsv1 alert protocol version": "the client wants another TLS version: update it",
    "sslv3 alert bad certificate": "make the client trust this server's certificate",
}

BROKEN: Final = Reply(
    421, (3, 0), "Something went wrong here, and the operator is told: try again", "server.bug"
)


def priority_lowered(most: int) -> Reply:
    """Take the message with a lower priority than was wished for (RFC 6710)."""
    return Reply(250, (3, 6), f"OK, the priority was lowered to {most}")
