"""What one listener offers and demands: the lines of the reply to EHLO, and what comes first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

DEFAULT_SIZE: Final = 35_882_577  # Gmail's SIZE: 25 MiB in base64 and 10 KiB of header


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a session.

    `size` is the largest message in octets; `recipients` the most per message; `starttls`
    whether TLS can be had; `tls_first` and `sign_in_first` whether MAIL has to wait for them.
    """

    hostname: str
    size: int = DEFAULT_SIZE
    recipients: int = 100
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    starttls: bool = True
    tls_first: bool = True
    sign_in_first: bool = True


@lru_cache(maxsize=64)
def keywords(terms: Terms, *, secure: bool) -> str:
    r"""Return the extension lines of the reply to EHLO (RFC 5321, section 4.1.1.1).

    AUTH is not mentioned where it would not be accepted.

    >>> terms = Terms(hostname="mail.example.org", size=1000)
    >>> keywords(terms, secure=False).split("\n")[:3]
    ['SIZE 1000', '8BITMIME', 'STARTTLS']
    >>> keywords(terms, secure=True).split("\n")[2]
    'AUTH PLAIN LOGIN'
    """
    lines = [f"SIZE {terms.size}", "8BITMIME"]
    if terms.starttls and not secure:
        lines.append("STARTTLS")
    if terms.mechanisms and (secure or not terms.tls_first):
        lines.append("AUTH " + " ".join(terms.mechanisms))
    lines += ["ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING", "BINARYMIME", "SMTPUTF8", "DSN"]
    lines.append(f"LIMITS RCPTMAX={terms.recipients}")  # RFC 9422
    return "\n".join(lines)
