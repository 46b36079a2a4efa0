"""Who may send as whom (RFC 6409, section 6.1)."""

from __future__ import annotations

from postwicket.core.address import Address
from postwicket.core.cause import Cause
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply
from postwicket.identity.account import Account


def may_send_as(account: Account, sender: Address | None) -> Refusal | None:
    """Object unless the return path is empty, the account's own, or granted to it."""
    if sender is None or account.may_write_as(sender):
        return None
    return Refusal(
        reply=Reply(
            553,
            (7, 1),
            f"{account.address} may not send as {_plain(sender)}: use the account's own address, "
            "or ask the administrator to grant this one",
            "sender.not-yours",
        ),
        cause=Cause.SENDER,
        why=f"account {account.address} has no right to {sender}",
        fix=f"use {account.address}, or: postwicket account grant {account.address} {sender}",
    )


def _plain(address: Address) -> str:
    # Quoted local parts and U-labels may hold what a reply line may not.
    return "".join(char if char.isprintable() else "?" for char in str(address))
