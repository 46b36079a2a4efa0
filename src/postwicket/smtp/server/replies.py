"""Every reply that the server machine gives by itself.  Codes are Gmail's where it has one."""

from __future__ import annotations

from typing import Final

from postwicket.core.reply import Reply

GO_AHEAD: Final = Reply(354, None, "Go ahead; end with a dot on a line of its own")
GOODBYE: Final = Reply(221, (0, 0), "Goodbye")
OK: Final = Reply(250, (0, 0), "OK")
SENDER_OK: Final = Reply(250, (1, 0), "OK")
RECIPIENT_OK: Final = Reply(250, (1, 5), "OK")
FLUSHED: Final = Reply(250, (1, 5), "Flushed")
READY_FOR_TLS: Final = Reply(220, (0, 0), "Ready to start TLS")
SIGNED_IN: Final = Reply(235, (7, 0), "Accepted")
TRY_IT: Final = Reply(252, (1, 5), "Send the mail, and delivery will tell")
HELP: Final = Reply(
    214, (0, 0), "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT (RFC 5321)"
)

TOO_LONG: Final = Reply(500, (5, 2), "That line is too long", "protocol.line-too-long")
BARE_LINE_END: Final = Reply(
    500, (5, 2), "End every line with CR LF, not with one of them", "protocol.bare-line-end"
)
NOT_TEXT: Final = Reply(
    500, (5, 2), "A command is UTF-8 text without control characters", "protocol.not-text"
)
UNKNOWN_COMMAND: Final = Reply(502, (5, 1), "Unrecognized command", "protocol.unknown-command")
NOT_OFFERED: Final = Reply(502, (5, 1), "EXPN is not offered here", "protocol.not-offered")
TOO_MANY_ERRORS: Final = Reply(
    421, (7, 0), "Too many errors on this connection, goodbye", "protocol.too-many-errors"
)
HTTP: Final = Reply(
    554, (5, 1), "This is a mail server; it speaks SMTP, not HTTP. Goodbye", "protocol.http"
)

HELLO_FIRST: Final = Reply(503, (5, 1), "EHLO/HELO first", "protocol.sequence")
MAIL_FIRST: Final = Reply(503, (5, 1), "MAIL first", "protocol.sequence")
RCPT_FIRST: Final = Reply(503, (5, 1), "RCPT first: no recipient is accepted", "protocol.sequence")
WRONG_ORDER: Final = Reply(503, (5, 1), "Bad sequence of commands", "protocol.sequence")
NO_DATA_AFTER_BDAT: Final = Reply(503, (5, 1), "No DATA after BDAT", "protocol.sequence")
BINARY_NEEDS_BDAT: Final = Reply(
    503, (5, 1), "BODY=BINARYMIME is sent with BDAT, not with DATA", "protocol.sequence"
)

HELLO_EMPTY: Final = Reply(
    501, (5, 4), "Give a name: EHLO client.example.org", "protocol.hello-argument"
)
HELLO_INVALID: Final = Reply(
    501,
    (5, 4),
    "The EHLO name must be a host name or an address in brackets: EHLO client.example.org",
    "protocol.hello-argument",
)
NO_PARAMETERS: Final = Reply(
    501, (5, 4), "That command takes no argument", "protocol.no-parameters"
)

STARTTLS_FIRST: Final = Reply(
    530,
    (7, 0),
    "Must issue a STARTTLS command first: turn on STARTTLS in the client, or use implicit TLS",
    "tls.required",
)
STARTTLS_PARAMETERS: Final = Reply(
    501, (7, 11), "Syntax error: STARTTLS takes no argument", "tls.starttls-argument"
)
STARTTLS_PIPELINED: Final = Reply(
    523,
    (7, 10),
    "Nothing may be sent behind STARTTLS before its reply; what was sent is thrown away",
    "tls.starttls-pipelined",
)
TLS_ACTIVE: Final = Reply(503, (5, 1), "TLS is active already", "tls.active")
TLS_NOT_OFFERED: Final = Reply(502, (5, 1), "STARTTLS is not offered here", "tls.not-offered")

AUTHENTICATION_REQUIRED: Final = Reply(
    530,
    (7, 0),
    "Authentication required: give the client the full address and an app password",
    "auth.required",
)
ALREADY_SIGNED_IN: Final = Reply(
    503, (7, 0), "No identity changes permitted on this connection", "auth.already"
)
AUTH_NOT_OFFERED: Final = Reply(502, (5, 1), "AUTH is not offered here", "auth.not-offered")
AUTH_SYNTAX: Final = Reply(
    501, (5, 4), "Write AUTH, a mechanism, and at most one response", "auth.syntax"
)
UNKNOWN_MECHANISM: Final = Reply(
    504,
    (7, 4),
    "Unrecognized authentication type: use one that the reply to EHLO lists",
    "auth.mechanism",
)
AUTH_CANCELLED: Final = Reply(501, (7, 0), "Authentication cancelled", "auth.cancelled")
AUTH_NOT_BASE64: Final = Reply(
    501, (5, 2), "Cannot decode the response: it is not base64", "auth.not-base64"
)
AUTH_MALFORMED: Final = Reply(
    501, (5, 2), "The response is not what the mechanism prescribes", "auth.malformed"
)

BARE_IN_CONTENT: Final = Reply(
    550,
    (6, 0),
    "The message has a bare CR, a bare LF or a NUL; every line must end with CR LF",
    "content.bare-line-end",
)
BDAT_SYNTAX: Final = Reply(
    501, (5, 4), "BDAT takes a number of octets, and LAST on the last", "protocol.bdat-syntax"
)


def too_large(limit: int) -> Reply:
    """Refuse a message above the limit, in octets."""
    megabytes = limit / 1_000_000
    return Reply(
        552,
        (3, 4),
        f"The message is larger than the limit of {limit} octets ({megabytes:.1f} MB after "
        "encoding, which adds a third): send a link instead of the attachment",
        "size.message",
    )


def chunk_taken(octets: int) -> Reply:
    """Acknowledge one chunk (RFC 3030, section 4.2)."""
    return Reply(250, (0, 0), f"{octets} octets received")


def sender_syntax(reason: str) -> Reply:
    """Show the right form of MAIL."""
    return Reply(
        555,
        (5, 2),
        f"Syntax error: write MAIL FROM:<you@example.org>{_because(reason)}",
        "protocol.mail-syntax",
    )


def sender_address(reason: str) -> Reply:
    """Refuse a return path that is no address."""
    return Reply(
        553, (1, 7), f"The sender address is not valid{_because(reason)}", "sender.syntax"
    )


def recipient_syntax(reason: str) -> Reply:
    """Show the right form of RCPT."""
    return Reply(
        555,
        (5, 2),
        f"Syntax error: write RCPT TO:<somebody@example.net>{_because(reason)}",
        "protocol.rcpt-syntax",
    )


def recipient_address(reason: str) -> Reply:
    """Refuse a recipient that is no address."""
    return Reply(
        553, (1, 3), f"The recipient address is not valid{_because(reason)}", "recipient.syntax"
    )


def parameter(reason: str) -> Reply:
    """Refuse a parameter's value."""
    return Reply(501, (5, 4), _printable(reason), "protocol.parameter")


def unknown_parameter(name: str) -> Reply:
    """Refuse a parameter that was not announced (RFC 5321, section 4.1.1.11)."""
    return Reply(
        555,
        (5, 4),
        _printable(f"Parameter {name[:40]} is not known here"),
        "protocol.unknown-parameter",
    )


def needs_smtputf8(what: str) -> Reply:
    """Refuse a non-ASCII address without the extension (RFC 6531, section 3.5)."""
    return Reply(
        553,
        (6, 7),
        f"The {what} address is not ASCII: send MAIL with the SMTPUTF8 parameter",
        "protocol.smtputf8",
    )


def _because(reason: str) -> str:
    return _printable(f" ({reason})") if reason else ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:300]
