"""What is said on port 25 to those whom we do not expect: this is no relay, and has no users."""

from __future__ import annotations

from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply


def _refusal(reply: Reply, cause: Cause, why: str, fix: str) -> Refusal:
    return Refusal(reply=reply, cause=cause, why=why, fix=fix)


RELAY: Final = _refusal(
    Reply(
        550,
        (7, 1),
        "We do not relay: this server takes bounces and reports about its own mail only",
        "returns.relay",
    ),
    Cause.POLICY,
    "a recipient at a domain that is not ours",
    "hand mail in on the submission port, signed in",
)
NO_MAILBOX: Final = _refusal(
    Reply(550, (1, 1), "There is no mailbox of that name here", "returns.no-mailbox"),
    Cause.RECIPIENT,
    "neither a return path nor postmaster, abuse, dmarc or tlsrpt",
    "write to postmaster at this domain",
)
FORGED: Final = _refusal(
    Reply(
        550,
        (7, 1),
        "This return path was not made here, was changed, or is older than 30 days",
        "returns.forged",
    ),
    Cause.POLICY,
    "the seal of a return path or unsubscribe address does not fit, or it is too old",
    "nothing: somebody makes addresses up, or answers very late",
)
UNKNOWN_MESSAGE: Final = _refusal(
    Reply(
        550,
        (7, 1),
        "The message of this return path is not known here any more",
        "returns.unknown-message",
    ),
    Cause.POLICY,
    "the return path is ours, and its message was forgotten",
    "keep finished messages longer: [queue] keep",
)
NOT_A_REPORT: Final = _refusal(
    Reply(
        550,
        (7, 1),
        "A return path takes notices about our mail only: write to the sender's own address",
        "returns.not-a-report",
    ),
    Cause.POLICY,
    "neither bounce nor complaint, from somebody who has an address of their own",
    "nothing: a person or a program answered to the envelope instead of to From",
)
NOBODY: Final = _refusal(
    Reply(
        550,
        (7, 1),
        "An unsubscribe address takes no bounces: somebody has to ask for it",
        "returns.sender-needed",
    ),
    Cause.SENDER,
    "the empty return path wrote to an unsubscribe address",
    "nothing: a machine answered",
)
TOO_MANY: Final = _refusal(
    Reply(450, (7, 1), "Too much of this lately: try again in an hour", "returns.rate"),
    Cause.RATE,
    "more mail of one client, for one mailbox or about one message than is taken in an hour",
    "look who sends it: `journal` has the peers",
)
TOO_EARLY: Final = _refusal(
    Reply(
        450,
        (3, 0),
        "We are still busy with that message: try again in a minute",
        "returns.too-early",
    ),
    Cause.SERVER,
    "word came back of a delivery that is not written down as made",
    "nothing: the other server comes again",
)
SEVERAL: Final = _refusal(
    Reply(
        452,
        (5, 3),
        "Too many recipients: send the rest in another message",
        "returns.several",
    ),
    Cause.RATE,
    "more recipients in one message than are taken",
    "nothing: the other server sends the rest in another message",
)
LOOP: Final = _refusal(
    Reply(554, (4, 6), "This message goes round in a circle", "returns.loop"),
    Cause.POLICY,
    "more Received fields than any way to us has",
    "look where [returns] postmaster leads: it must not lead back here",
)
GUESSING: Final = Reply(
    421, (7, 0), "Too many addresses that do not exist, closing the connection", "returns.guessing"
)
