"""Exit statuses of sysexits.h, and the error that carries one."""

from __future__ import annotations

from typing import Final

OK: Final = 0
USAGE: Final = 64
DATAERR: Final = 65  # the message is malformed
NOUSER: Final = 67  # the recipient is unknown
UNAVAILABLE: Final = 69  # refused for another reason
CANTCREAT: Final = 73  # the spool cannot be written
TEMPFAIL: Final = 75  # try again later
NOPERM: Final = 77  # sign-in refused, or not allowed to send so
CONFIG: Final = 78


class Failed(Exception):
    """The call cannot be served: `status` is for the caller, the text for the person.

    >>> Failed(USAGE, "nobody to send to").status
    64
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
