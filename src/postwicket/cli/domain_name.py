"""A domain as an argument of a command."""

from __future__ import annotations

from .call import WRONG, Refused


def domain_name(text: str) -> str:
    """Return a domain in lower case and A-labels; raise `Refused`.

    >>> domain_name("Bücher.Example.")
    'xn--bcher-kva.example'
    """
    from postwicket.core.address import Address

    bare = text.strip().removesuffix(".")
    try:
        found = Address.parse(f"postmaster@{bare}").wire_domain.lower()
    except ValueError:
        found = ""
    if "." not in found or found.startswith("["):
        raise Refused(f"{bare[:80]!r} is no domain; write it like example.org", WRONG)
    return found
