"""One SMTP session with our server: sign in once, then a transaction for each message.

    with Session(server) as session:
        result = session.send(envelope, content)

`Unreachable` means "not now": nothing was accepted, and the mail should be kept.  `Failed`
means that the session is impossible until somebody mends something.
"""

from __future__ import annotations

import base64
import re
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Self

from . import status
from .settings import Server

_CONNECT_TIMEOUT: Final = 10.0  # seconds; a caller waits for us
_REPLY_TIMEOUT: Final = 120.0
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
# What may stand in an xtext value as itself (RFC 3461, section 4).
_XTEXT: Final = re.compile(r"[^!-*,-<>-~]")


class Unreachable(Exception):
    """The server is away, or says "later" before any message was taken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, in one line."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code, or ""."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else ""

    @property
    def temporary(self) -> bool:
        """Say whether the same mail may be welcome later; 5.4.5 is a limit that time lifts."""
        return self.code < 500 or self.enhanced == "5.4.5"

    @property
    def status(self) -> int:
        """The exit status that tells a program the most."""
        if self.temporary:
            return status.TEMPFAIL
        if self.code in {530, 534, 535, 538} or self.enhanced.startswith("5.7."):
            return status.NOPERM
        if self.enhanced in {"5.1.1", "5.1.2", "5.1.10", "5.2.1"}:
            return status.NOUSER
        if self.code == 501 or self.enhanced.startswith("5.6.") or self.enhanced == "5.1.3":
            return status.DATAERR
        return status.UNAVAILABLE

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who from, who to, and how they want to hear of it.

    `hold_until` is a date and time (RFC 3339) before which it shall not leave, or "".
    """

    sender: str
    recipients: tuple[str, ...]
    notify: str = ""
    ret: str = ""
    envid: str = ""
    body: str = ""
    hold_until: str = ""
    priority: int = 0


@dataclass(slots=True)
class Result:
    """What became of each recipient; `reply` is the last word about the message."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, Answer] = field(default_factory=dict)
    deferred: dict[str, Answer] = field(default_factory=dict)
    reply: Answer | None = None


class Session:
    """A connection that is greeted, encrypted and signed in."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._smtp: smtplib.SMTP = smtplib.SMTP(
            local_hostname=server.hello, timeout=_CONNECT_TIMEOUT
        )

    def __enter__(self) -> Self:
        try:
            self._open()
        except ssl.SSLCertVerificationError as error:
            self._smtp.close()
            raise status.Failed(
                status.CONFIG,
                f"the certificate of {self._server.host} is not trusted: "
                f"{error.verify_message}; set sendmail.ca or mend the certificate",
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            self._smtp.close()
            raise Unreachable(_reason(self._server, error)) from None
        except BaseException:
            self._smtp.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._smtp.docmd("QUIT")
        except (OSError, smtplib.SMTPException):
            pass  # it has hung up already; every answer that matters was read
        finally:
            self._smtp.close()

    def send(self, envelope: Envelope, content: bytes) -> Result:
        """Hand one message in; several transactions where the server limits recipients."""
        result = Result()
        waiting = envelope.recipients
        while waiting:
            try:
                part = self._transaction(replace(envelope, recipients=waiting), content)
            except (OSError, smtplib.SMTPException) as error:
                answer = Answer(451, _reason(self._server, error))
                result.deferred |= dict.fromkeys(waiting, answer)
                break
            result.accepted += part.accepted
            result.refused |= part.refused
            result.reply = part.reply or result.reply
            waiting = tuple(part.deferred)
            if not part.accepted:
                result.deferred |= part.deferred
                break
        return result

    def _open(self) -> None:
        server, smtp = self._server, self._smtp
        if server.tls == "implicit":
            self._smtp = smtp = smtplib.SMTP_SSL(
                local_hostname=server.hello, timeout=_CONNECT_TIMEOUT, context=_context(server)
            )
        code, words = smtp.connect(server.host, server.port)
        self._expect(Answer(code, _text(words)), 220)
        smtp.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            if not smtp.has_extn("starttls"):
                raise status.Failed(
                    status.CONFIG,
                    f"{server.host}:{server.port} offers no STARTTLS; set sendmail.tls and port",
                )
            code, words = smtp.starttls(context=_context(server))
            self._expect(Answer(code, _text(words)), 220)
            smtp.ehlo_or_helo_if_needed()
        if server.username and server.password:
            self._sign_in()
        if smtp.sock is not None:
            smtp.sock.settimeout(_REPLY_TIMEOUT)

    def _sign_in(self) -> None:
        offered = str(self._smtp.esmtp_features.get("auth", "")).upper().split()
        name, secret = self._server.username, self._server.password
        if "PLAIN" in offered or "LOGIN" not in offered:
            answer = self._say("AUTH", "PLAIN " + _base64(f"\0{name}\0{secret}"))
        else:
            answer = self._say("AUTH", "LOGIN " + _base64(name))
            if answer.code == 334:
                answer = self._say(_base64(secret))
        self._expect(answer, 235)

    def _transaction(self, envelope: Envelope, content: bytes) -> Result:
        utf8 = not all(text.isascii() for text in (envelope.sender, *envelope.recipients))
        result = Result()
        if utf8 and not self._smtp.has_extn("smtputf8"):
            answer = Answer(553, "5.6.7 the server takes ASCII addresses only")
            result.refused = dict.fromkeys(envelope.recipients, answer)
            return result
        if envelope.hold_until and not self._smtp.has_extn("futurerelease"):
            answer = Answer(555, "5.5.4 the server does not hold mail (FUTURERELEASE)")
            result.refused = dict.fromkeys(envelope.recipients, answer)
            return result
        self._smtp.command_encoding = "utf-8" if utf8 else "ascii"
        options = self._mail_options(envelope, content, utf8=utf8)
        answer = self._say("MAIL", f"FROM:<{envelope.sender}>{options}")
        if answer.code != 250:
            return self._all(envelope.recipients, answer, result)
        notify = f" NOTIFY={envelope.notify}" if envelope.notify and self._has("dsn") else ""
        for recipient in envelope.recipients:
            answer = self._say("RCPT", f"TO:<{recipient}>{notify}")
            if answer.code in {250, 251}:
                result.accepted.append(recipient)
            else:
                self._sort(recipient, answer, result)
        if not result.accepted:
            self._say("RSET")
            return result
        try:
            answer = Answer(*_decoded(self._smtp.data(content)))
        except smtplib.SMTPDataError as error:
            answer = Answer(error.smtp_code, _text(error.smtp_error))
        result.reply = answer
        if answer.code != 250:
            accepted, result.accepted = tuple(result.accepted), []
            return self._all(accepted, answer, result)
        return result

    def _mail_options(self, envelope: Envelope, content: bytes, *, utf8: bool) -> str:
        words = [f"SIZE={len(content)}"] if self._has("size") else []
        body = envelope.body or ("" if content.isascii() else "8BITMIME")
        if body and self._has("8bitmime"):
            words.append(f"BODY={body}")
        if utf8:
            words.append("SMTPUTF8")
        if self._has("dsn"):
            words += [f"RET={envelope.ret}"] if envelope.ret else []
            words += [f"ENVID={_xtext(envelope.envid)}"] if envelope.envid else []
        if envelope.hold_until:
            words.append(f"HOLDUNTIL={envelope.hold_until}")
        if envelope.priority and self._has("mt-priority"):
            words.append(f"MT-PRIORITY={envelope.priority}")
        return "".join(f" {word}" for word in words)

    def _all(self, recipients: tuple[str, ...], answer: Answer, result: Result) -> Result:
        if answer.code != 421:
            # A server that refuses what it cannot trust hangs up; its answer counts all the same.
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.docmd("RSET")
        for recipient in recipients:
            self._sort(recipient, answer, result)
        result.reply = answer
        return result

    @staticmethod
    def _sort(recipient: str, answer: Answer, result: Result) -> None:
        (result.deferred if answer.temporary else result.refused)[recipient] = answer

    def _has(self, extension: str) -> bool:
        return bool(self._smtp.has_extn(extension))

    def _say(self, command: str, text: str = "") -> Answer:
        return Answer(*_decoded(self._smtp.docmd(command, text)))

    def _expect(self, answer: Answer, code: int) -> None:
        if answer.code == code:
            return
        where = f"{self._server.host}:{self._server.port}"
        if answer.temporary:
            raise Unreachable(f"{where} said {answer}")
        raise status.Failed(answer.status, f"{where} said {answer}")


def _context(server: Server) -> ssl.SSLContext:
    context = _ByName(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.wanted = server.name or server.host
    if server.ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(server.ca)
    except (OSError, ssl.SSLError) as error:
        raise status.Failed(
            status.CONFIG, f"{server.ca} is no file of certificates ({error}); set sendmail.ca"
        ) from None
    return context


class _ByName(ssl.SSLContext):
    """A context that asks for the name we want, whatever address we connect to."""

    wanted = ""

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        named["server_hostname"] = self.wanted
        return super().wrap_socket(*arguments, **named)


def _decoded(reply: tuple[int, bytes]) -> tuple[int, str]:
    return reply[0], _text(reply[1])


def _text(words: bytes | str) -> str:
    """Return a reply in one printable line, its enhanced code once."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    first, *others = text.splitlines() or [""]
    others = [_ENHANCED.sub("", line, count=1).strip() for line in others]
    line = " ".join([first, *others])
    return "".join(char if char.isprintable() else "?" for char in line)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()


def _xtext(text: str) -> str:
    return _XTEXT.sub(lambda found: "".join(f"+{octet:02X}" for octet in found[0].encode()), text)


def _reason(server: Server, error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{server.host}:{server.port} does not answer ({_text(text)})"


def summary(answers: Mapping[str, Answer]) -> list[str]:
    """Return one line for each recipient that was not taken."""
    return [f"{recipient}: {answer}" for recipient, answer in answers.items()]
