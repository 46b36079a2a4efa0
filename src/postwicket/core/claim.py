"""What a client claims about itself when it signs in."""

from __future__ import annotations

from dataclasses import dataclass

from postwicket.core.secret import Secret


@dataclass(frozen=True, slots=True)
class PasswordClaim:
    """Somebody says who they are and offers a password as proof.

    `acting_as` is the SASL authorisation identity, or "" where none was given.
    """

    name: str
    password: Secret
    acting_as: str = ""
