"""The server's certificate: there before the workers start, and renewed while they run.

The workers notice a new file by themselves (net/certificates.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from postwicket.config import Settings
from postwicket.journal.log import Log
from postwicket.net.authority import AuthorityBroken, ensure_authority
from postwicket.net.certificates import CertificateUnusable, server_context

from .errors import CannotServe

EVERY: Final = 3600.0  # seconds between two looks at our own certificate


def check_certificate(settings: Settings) -> None:
    """Make our own certificate where none is configured, try what there is; or `CannotServe`."""
    if all(listener.tls == "none" for listener in settings.listener):
        return
    try:
        if settings.tls is None:
            made = ensure_authority(settings.data, settings.hostname)
            server_context(made.certificate, made.key)
        else:
            server_context(settings.tls.certificate, settings.tls.key)
    except OSError as error:
        raise CannotServe(
            f"cannot write the certificate in {settings.data}: {error.strerror};"
            " give the folder to the server's user"
        ) from error
    except (AuthorityBroken, CertificateUnusable) as error:
        raise CannotServe(str(error)) from error


class Renewal:
    """Looks after our own certificate; `turn` is to be called when `due` has come."""

    def __init__(self, settings: Settings, log: Log, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._log = log
        self._clock = clock
        self.due = clock() + EVERY

    def turn(self) -> None:
        """Renew what ends soon, if it is time to look."""
        if self._clock() < self.due:
            return
        self.due = self._clock() + EVERY
        try:
            check_certificate(self._settings)
        except CannotServe as error:
            self._log.error("the certificate could not be renewed", why=str(error))
