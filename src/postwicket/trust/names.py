"""Whether a certificate is for a name (RFC 6125, section 6.4; RFC 7672, section 3.2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def covered(held: Iterable[str], wanted: Sequence[str]) -> bool:
    """Say whether one of the names that a certificate holds is one of those that are wanted.

    >>> covered(["*.example.net"], ["mx.example.net"]), covered(["*.net"], ["mx.example.net"])
    (True, False)
    """
    return any(covers(pattern, name) for pattern in held for name in wanted)


def covers(pattern: str, name: str) -> bool:
    """Say whether a certificate's DNS name stands for a host name (A-labels, any case).

    A wildcard is the whole first label and stands for exactly one; below a top-level domain
    there is none.
    """
    pattern, name = pattern.lower().removesuffix("."), name.lower().removesuffix(".")
    if not pattern or not name:
        return False
    if not pattern.startswith("*."):
        return "*" not in pattern and pattern == name
    parent = pattern[2:]
    first, _, rest = name.partition(".")
    return bool(first) and "*" not in parent and "." in parent and parent == rest
