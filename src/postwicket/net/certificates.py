"""Which TLS we speak, and with which certificate.

`server_context` and `client_context` are the policy in one place: TLS 1.2 and 1.3, forward
secret AEAD suites, no renegotiation, no compression (RFC 9325).  `Certificates` hands out the
server's context and reads the files again when they changed, so that a renewed certificate
needs no restart.  A pair that cannot be used is reported once, and the old one stays.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

CHECK_EVERY: Final = 10.0  # seconds between two looks at the files
TLS_1_2_SUITES: Final = (  # RFC 9325, section 4.2, and RFC 7905
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# Python sets it where OpenSSL has it; an end without close_notify may be a message cut short.
_IGNORE_UNEXPECTED_EOF: Final = getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


class CertificateUnusable(Exception):
    """A certificate, key or authority file cannot be used; says which and why."""


def server_context(certificate: Path, key: Path, *, tickets: int = 0) -> ssl.SSLContext:
    """Return a context for accepting TLS, or raise `CertificateUnusable`.

    `tickets` is how many session tickets a TLS 1.3 client is sent (RFC 8446, section 4.6.1);
    with none, TLS 1.2 tickets are off as well.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS_1_2_SUITES)
    context.options |= (
        ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.options &= ~_IGNORE_UNEXPECTED_EOF
    context.num_tickets = tickets
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["smtp"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateUnusable(_explain(error, certificate, key)) from error
    return context


def client_context(ca: Path | None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a context for connecting to an upstream, or raise `CertificateUnusable`.

    With `ca`, only that file is trusted, and it may hold the server's own certificate;
    without, the system's authorities are.  Without `verify`, anybody is believed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options &= ~_IGNORE_UNEXPECTED_EOF
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ValueError) as error:
            raise CertificateUnusable(_explain(error, ca)) from error
    return context


class Certificates:
    """The server's certificate as it is on disk now, give or take `CHECK_EVERY` seconds.

    `clock` counts seconds and need not be the time of day.  `report` hears a sentence when a
    changed pair was taken, or could not be.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        clock: Callable[[], float],
        tickets: int = 0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._files = (certificate, key)
        self._tickets = tickets
        self._clock = clock
        self._report = report
        self._seen = self._look()
        self._context = server_context(certificate, key, tickets=tickets)
        self._look_again = clock() + CHECK_EVERY

    def context(self) -> ssl.SSLContext:
        """Return the context for a connection that begins now.  Costs next to nothing."""
        now = self._clock()
        if now >= self._look_again:
            self._look_again = now + CHECK_EVERY
            self._refresh()
        return self._context

    def _refresh(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._context = server_context(*self._files, tickets=self._tickets)
        except CertificateUnusable as error:
            self._report(f"{error}; the certificate read before stays in use")
        else:
            self._report(f"{self._files[0]} changed; new connections get the new certificate")

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _no_password() -> str:
    # OpenSSL would ask on the terminal and stop the server there.
    raise ValueError("the key is protected by a passphrase; store it without")


def _explain(error: Exception, *files: Path) -> str:
    for file in files:
        try:
            file.open("rb").close()
        except OSError as trouble:
            return f"{file} cannot be read: {trouble.strerror}"
    names = " and ".join(str(file) for file in files)
    if isinstance(error, ssl.SSLError) and error.reason:
        reason = error.reason.replace("_", " ").lower()
        return f"{names} cannot be used: {reason}"
    return f"{names} cannot be used: {error}"
