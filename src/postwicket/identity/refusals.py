"""What sign-in says when it says no.  Codes are Gmail's; the words say what to do next."""

from __future__ import annotations

from typing import Final

from postwicket.core.cause import Cause
from postwicket.core.refusal import Refusal
from postwicket.core.reply import Reply

# One refusal for an unknown account, a wrong password and a revoked one: a stranger learns
# nothing from the difference.
WRONG: Final = Refusal(
    reply=Reply(
        535,
        (7, 8),
        "Username and password not accepted: use the full address and an app password of it",
        "auth.credentials",
    ),
    cause=Cause.AUTHENTICATION,
    why="unknown account, wrong password, or a password that was revoked",
    fix="make an app password for this account and give it to the client",
)
NOT_AN_ADDRESS: Final = Refusal(
    reply=Reply(
        535,
        (7, 8),
        "Username and password not accepted: the user name is the full address, "
        "as in ann@example.org",
        "auth.user-name",
    ),
    cause=Cause.AUTHENTICATION,
    why="the user name is not a mail address",
    fix="give the client the full address as its user name",
)
APP_PASSWORD_NEEDED: Final = Refusal(
    reply=Reply(
        534,
        (7, 9),
        "Application-specific password required: this is the account's own password, "
        "and mail is handed in with an app password; make one and use it instead",
        "auth.app-password-needed",
    ),
    cause=Cause.AUTHENTICATION,
    why="the account's own password was used, which this account does not allow for SMTP",
    fix="make an app password for the application and use it instead",
)
OTHER_IDENTITY: Final = Refusal(
    reply=Reply(
        535,
        (7, 8),
        "Username and password not accepted: nobody may act as another account; "
        "leave the authorisation identity empty",
        "auth.acting-as",
    ),
    cause=Cause.AUTHENTICATION,
    why="the SASL authorisation identity differs from the account",
    fix="leave the authorisation identity empty",
)
SUSPENDED: Final = Refusal(
    reply=Reply(
        535,
        (7, 8),
        "This account is suspended: ask the administrator to resume it",
        "auth.suspended",
    ),
    cause=Cause.AUTHENTICATION,
    why="the account is suspended",
    fix="ask the administrator to resume the account",
)
BUSY: Final = Refusal(
    reply=Reply(
        454,
        (7, 0),
        "Cannot authenticate now, too many passwords are being checked: try again in a minute, "
        "or use an app password, which takes no time",
        "auth.busy",
    ),
    cause=Cause.RATE,
    why="the limit of simultaneous password checks is reached",
    fix="try again in a minute",
)
STOPPED: Final = Refusal(
    reply=Reply(
        421,
        (7, 0),
        "This account was suspended or its credential revoked while you were connected",
        "auth.stopped",
    ),
    cause=Cause.AUTHENTICATION,
    why="the account was suspended or removed, or the credential revoked, during the session",
    fix="ask the administrator, or make a new app password",
)
