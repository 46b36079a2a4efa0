"""Which thing failed, told from a peer's answer: stage, code, enhanced status, known words.

The enhanced status (RFC 3463, RFC 7372, the IANA registry) counts for more than the code, and a
few words of large providers count for more than both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.reply import Reply
from postwicket.smtp.client.answer import Answer, Stage, Trouble

from .reading import Reading

_TROUBLES: Final[Mapping[Trouble, Cause]] = {
    Trouble.LOST: Cause.NETWORK,
    Trouble.TIMEOUT: Cause.NETWORK,
    Trouble.UNTRIED: Cause.NETWORK,
    Trouble.UNREACHABLE: Cause.NETWORK,
    Trouble.PROTOCOL: Cause.PROTOCOL,
    Trouble.NAME: Cause.DNS,
    Trouble.CERTIFICATE: Cause.ENCRYPTION,
    Trouble.TLS: Cause.ENCRYPTION,
    Trouble.NO_STARTTLS: Cause.ENCRYPTION,
    Trouble.NO_AUTH: Cause.AUTHENTICATION,
}

# Status without its class; (subject, None) is the subject's default.
_STATUSES: Final[Mapping[tuple[int, int | None], Cause]] = {
    (1, 7): Cause.SENDER,
    (1, 8): Cause.SENDER,
    (1, None): Cause.RECIPIENT,
    (2, 3): Cause.SIZE,
    (2, None): Cause.RECIPIENT,
    (3, 4): Cause.SIZE,
    (3, None): Cause.SERVER,
    (4, 3): Cause.DNS,
    (4, 4): Cause.DNS,
    (4, 5): Cause.RATE,
    (4, 6): Cause.POLICY,
    (4, None): Cause.NETWORK,
    (5, 3): Cause.RATE,
    (5, None): Cause.PROTOCOL,
    (6, None): Cause.CONTENT,
    (7, 5): Cause.AUTHENTICATION,
    (7, 8): Cause.AUTHENTICATION,
    (7, 9): Cause.AUTHENTICATION,
    (7, 10): Cause.ENCRYPTION,
    (7, 11): Cause.ENCRYPTION,
    (7, 14): Cause.AUTHENTICATION,
    (7, 28): Cause.RATE,
    (7, 29): Cause.ENCRYPTION,
}

_CODES: Final[Mapping[int, Cause]] = {
    421: Cause.SERVER,
    432: Cause.AUTHENTICATION,
    450: Cause.RECIPIENT,
    452: Cause.SERVER,
    534: Cause.AUTHENTICATION,
    535: Cause.AUTHENTICATION,
    538: Cause.ENCRYPTION,
    552: Cause.SIZE,
}

_STAGES: Final[Mapping[Stage, Cause]] = {
    Stage.ROUTE: Cause.DNS,
    Stage.CONNECT: Cause.NETWORK,
    Stage.GREETING: Cause.POLICY,
    Stage.EHLO: Cause.PROTOCOL,
    Stage.STARTTLS: Cause.ENCRYPTION,
    Stage.TLS: Cause.ENCRYPTION,
    Stage.AUTH: Cause.AUTHENTICATION,
    Stage.MAIL: Cause.SENDER,
    Stage.RCPT: Cause.RECIPIENT,
    Stage.DATA: Cause.POLICY,
    Stage.CONTENT: Cause.CONTENT,
    Stage.FINAL: Cause.CONTENT,
    Stage.QUIT: Cause.SERVER,
}

# Bounded words only: the text is hostile.
_RATE: Final = re.compile(
    r"too quickly|at a rate|rate[ -]?limit|too many (?:login|connection|message|mail|recipient"
    r"|concurrent|request|session)|(?:sending|daily|hourly|relay) (?:\w+ )?(?:limit|quota)"
    r"|quota for sending|throttl|try again later.{0,40}(?:rate|limit)|unusual rate",
    re.IGNORECASE,
)
_REPUTATION: Final = re.compile(
    r"reputation|block ?list|black ?list|spamhaus|spamcop|barracuda|listed (?:at|by|in|on)"
    r"|unsolicited|deny ?list|dnsbl|\brbl\b",
    re.IGNORECASE,
)
_TLS: Final = re.compile(r"starttls|\btls\b|encrypt", re.IGNORECASE)


# Our own objections say by the first word of their rule what they are about.
_OWN_RULES: Final[Mapping[str, Cause]] = {
    "route": Cause.POLICY,
    "tls": Cause.ENCRYPTION,
    "size": Cause.SIZE,
    "content": Cause.CONTENT,
    "envelope": Cause.PROTOCOL,
}


def cause_of(answer: Answer, reading: Reading | None = None) -> Cause:
    """Return which thing failed; the answer is a refusal, temporary or not, or trouble.

    What the catalogue read in words counts; an entry that knows the status alone knows no more
    than is known here.
    """
    if reading is not None and (reading.sign.phrases or reading.provider):
        return reading.cause
    if answer.trouble is not None:
        return _TROUBLES[answer.trouble]
    reply = answer.reply
    if reply is None:
        return Cause.PROTOCOL
    if answer.ours and (own := _OWN_RULES.get(reply.rule.partition(".")[0])):
        return own
    return (
        _by_words(reply, answer.stage)
        or _by_status(reply, answer.stage)
        or _CODES.get(reply.code)
        or (Cause.SERVER if reply.temporary and answer.stage is not Stage.AUTH else None)
        or _STAGES[answer.stage]
    )


def _by_words(reply: Reply, stage: Stage) -> Cause | None:
    text = reply.text[:500].replace("\n", " ")
    if _RATE.search(text):
        return Cause.RATE
    if reply.code == 530:
        # One code for two wishes (RFC 3207, section 4; RFC 4954, section 6).
        return Cause.ENCRYPTION if _TLS.search(text) else Cause.AUTHENTICATION
    if stage is not Stage.AUTH and _REPUTATION.search(text):
        return Cause.REPUTATION
    return None


def _by_status(reply: Reply, stage: Stage) -> Cause | None:
    if reply.status is None or reply.status[0] == 0:
        return None
    subject, detail = reply.status
    exact = _STATUSES.get((subject, detail))
    if exact is not None:
        return exact
    if stage is Stage.STARTTLS:
        return Cause.ENCRYPTION
    if subject == 7:
        return Cause.AUTHENTICATION if stage is Stage.AUTH else Cause.POLICY
    return _STATUSES.get((subject, None))
