"""SASL mechanisms (RFC 4422) as conversations that read like one.

A mechanism is a generator: it yields a challenge, is sent the response, and returns what the
client claims.  It knows nothing of base64, sockets or passwords; checking the claim is somebody
else's work.  It raises ValueError when a response is not what the mechanism prescribes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Final

from postwicket.core.claim import PasswordClaim
from postwicket.core.secret import Secret

Mechanism = Generator[bytes, bytes, PasswordClaim]


def plain() -> Mechanism:
    """PLAIN (RFC 4616): whom to act as, NUL, who I am, NUL, my password."""
    response = yield b""
    acting_as, name, password = response.decode().split("\0")
    return PasswordClaim(name, Secret(password), acting_as)


def login() -> Mechanism:
    """LOGIN: never standardised, still spoken by printers and old Outlooks."""
    name = yield b"Username:"
    password = yield b"Password:"
    if b"\0" in name + password:
        raise ValueError("NUL in a LOGIN response")
    return PasswordClaim(name.decode(), Secret(password.decode()))


MECHANISMS: Final[Mapping[str, Callable[[], Mechanism]]] = {"PLAIN": plain, "LOGIN": login}
