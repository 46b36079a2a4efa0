"""Sessions by hand: sign in with Python's own library, then say what no library would."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from .server import HOST, PATIENCE, Postwicket, SignIn

MAIL = b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: hello\r\n\r\nIt works.\r\n"


def trusting(server: Postwicket) -> ssl.SSLContext:
    """Return a context that trusts the server's own authority, and nobody else."""
    return ssl.create_default_context(cafile=server.data / "ca.pem")


@contextmanager
def session(
    server: Postwicket, who: SignIn | None, *, context: ssl.SSLContext | None = None
) -> Iterator[smtplib.SMTP]:
    """Yield a STARTTLS session that is signed in; it may have ended when the block ends."""
    smtp = smtplib.SMTP(HOST, server.port("starttls"), timeout=PATIENCE)
    try:
        smtp.starttls(context=context or trusting(server))
        if who is not None:
            smtp.login(who.user, who.password)
        yield smtp
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()
    finally:
        smtp.close()


def send(smtp: smtplib.SMTP, *recipients: str, content: bytes = MAIL) -> tuple[int, str]:
    """Send one message from ann@example.org; return the last answer, whatever it is."""
    smtp.ehlo_or_helo_if_needed()
    answers = [smtp.mail("ann@example.org")]
    answers += [smtp.rcpt(recipient) for recipient in recipients or ("bob@example.com",)]
    try:
        code, words = smtp.data(content)
    except smtplib.SMTPDataError as error:
        code, words = error.smtp_code, _bytes(error.smtp_error)
    assert all(answer[0] == 250 for answer in answers), answers
    if code not in {250, 421}:
        smtp.rset()
    return code, words.decode()


def _bytes(words: bytes | str) -> bytes:
    return words if isinstance(words, bytes) else words.encode()


@contextmanager
def plain(port: int, *, first: bytes = b"") -> Iterator[socket.socket]:
    """Yield a connection in the clear; `first` is sent before anything is read."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(first)
        yield client


def until_end(client: socket.socket) -> bytes:
    """Return everything that comes until the server hangs up."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            pieces.append(data)
    return b"".join(pieces)
