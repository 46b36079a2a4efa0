"""The way to a session that may send: greeting, EHLO, STARTTLS, EHLO again, AUTH.

Reads like RFC 5321 section 3.1, RFC 3207 and RFC 4954.  Whatever goes wrong here concerns the
host and not a message, so it ends the session with `Gone`.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import dataclass, replace

from postwicket.core.reply import Reply
from postwicket.core.secret import Secret

from .answer import Stage, Trouble
from .capabilities import HELO_ONLY, read_capabilities
from .commands import NO_REQUIRETLS
from .events import Ready, UpgradeTls
from .transcript import EVERYBODY
from .wire import HIDDEN, Gone, Wire

# RFC 5321, section 3.2: what an old server says when it does not know EHLO.
_NO_EHLO = frozenset({500, 502, 504, 550})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to the peer; `mechanism` ("PLAIN" or "LOGIN") is tried first."""

    username: str
    password: Secret
    mechanism: str = "PLAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How to open a session.

    `hostname` is our name in EHLO.  With `implicit_tls` the handshake comes before the greeting,
    with `starttls` there is no session without TLS, unless it is `tls_optional` and the peer does
    not offer it, or refuses to begin (RFC 3207, section 4).  `requiretls`: the peer has to offer
    REQUIRETLS (RFC 8689), which counts only where it is `vouched` for: verified in the
    handshake.  With `clear_auth` a password may travel without TLS; say so for loopback only.
    """

    hostname: str
    implicit_tls: bool = False
    starttls: bool = False
    tls_optional: bool = False
    requiretls: bool = False
    vouched: bool = False
    credentials: Credentials | None = None
    clear_auth: bool = False


def open_session(wire: Wire, how: Opening) -> Generator[int, Reply, None]:
    """Converse until mail may be sent."""
    if how.implicit_tls:
        wire.stage = Stage.TLS
        wire.upgrading = True
        yield EVERYBODY  # resumed when the handshake is over
        wire.stage = Stage.GREETING
    greeting = yield EVERYBODY
    if greeting.code // 100 != 2:
        raise Gone(reply=greeting)
    yield from _hello(wire, how)
    if how.starttls and not wire.secure and (yield from _starttls(wire, how)):
        # RFC 3207, section 4.2: everything learnt before TLS is forgotten.
        yield from _hello(wire, how)
    if how.requiretls and not wire.capabilities.requiretls:
        # RFC 8689, section 4.2.1: another exchanger may; without one the mail goes back.
        wire.stage = Stage.ROUTE
        raise Gone(reply=NO_REQUIRETLS, ours=True)
    if how.credentials:
        yield from _sign_in(wire, how, how.credentials)
    wire.events.append(Ready())


def _hello(wire: Wire, how: Opening) -> Generator[int, Reply, None]:
    wire.stage = Stage.EHLO
    wire.capabilities = HELO_ONLY
    wire.say(f"EHLO {how.hostname}")
    reply = yield EVERYBODY
    if reply.code in _NO_EHLO:
        wire.say(f"HELO {how.hostname}")
        reply = yield EVERYBODY
        _must_be(2, reply)
        return
    _must_be(2, reply)
    offered = read_capabilities(reply)
    vouched = how.vouched and wire.secure
    wire.capabilities = offered if vouched else replace(offered, requiretls=False)


def _starttls(wire: Wire, how: Opening) -> Generator[int, Reply, bool]:
    """Begin TLS; return False where the session may go on without it."""
    wire.stage = Stage.STARTTLS
    if not wire.capabilities.starttls:
        if how.tls_optional:
            wire.transcript.remark(wire.clock(), "no STARTTLS is offered: in clear text")
            return False
        raise Gone(trouble=Trouble.NO_STARTTLS)
    wire.say("STARTTLS")
    reply = yield EVERYBODY
    if how.tls_optional and not reply.positive:
        wire.transcript.remark(wire.clock(), "STARTTLS was refused: in clear text")
        return False
    _must_be(2, reply)
    if wire.reader.pending:
        # Bytes behind the 220 were said in the clear and would be read as if under TLS: that
        # is response injection (CVE-2011-0411 and its family).
        raise Gone(trouble=Trouble.PROTOCOL, detail="more bytes behind the answer to STARTTLS")
    wire.stage = Stage.TLS
    wire.upgrading = True
    wire.events.append(UpgradeTls())
    yield EVERYBODY  # resumed when the handshake is over
    return True


def _sign_in(wire: Wire, how: Opening, who: Credentials) -> Generator[int, Reply, None]:
    wire.stage = Stage.AUTH
    if not (wire.secure or how.clear_auth):
        raise Gone(trouble=Trouble.NO_STARTTLS, detail="no password is sent without TLS")
    offered = wire.capabilities.auth
    usable = [name for name in (who.mechanism, "PLAIN", "LOGIN") if name in offered]
    if not usable:
        names = ", ".join(sorted(offered)) or "none"
        raise Gone(trouble=Trouble.NO_AUTH, detail=f"offered: {names}"[:200])
    user, password = who.username.encode(), who.password.reveal().encode()
    plain = _base64(b"\0" + user + b"\0" + password)
    # A peer that repeats what it was told, now or later, must not get it into our logs.
    wire.scrub = (who.password.reveal(), plain, _base64(password))
    if usable[0] == "PLAIN":
        wire.say(f"AUTH PLAIN {plain}", shown=f"AUTH PLAIN {HIDDEN}")
        answers = [plain]  # for those that do not read the initial response
    else:
        wire.say("AUTH LOGIN")
        answers = [_base64(user), _base64(password)]
    reply = yield EVERYBODY
    for answer in answers:
        if reply.code != 334:
            break
        wire.say(answer, shown=HIDDEN)
        reply = yield EVERYBODY
    _must_be(2, reply)


def _must_be(kind: int, reply: Reply) -> None:
    if reply.code // 100 == kind:
        return
    if reply.positive:
        raise Gone(trouble=Trouble.PROTOCOL, detail=f"{reply.code} is no answer to that")
    raise Gone(reply=reply)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
