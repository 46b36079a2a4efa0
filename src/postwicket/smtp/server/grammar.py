"""The arguments of commands (RFC 5321 section 4.1): text in; a question or a refusing reply out.

Tolerant where it is harmless (case, a space after the colon), and where it refuses, the reply
shows the right form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from postwicket.core.address import Address
from postwicket.core.envelope import Body, Notify, Recipient, Sender
from postwicket.core.reply import Reply

from . import replies, wishes
from .events import Hello, Mail, Rcpt

LONGEST_HELLO: Final = 255
LONGEST_ENVID: Final = 100  # RFC 3461, section 4.4
LONGEST_ORCPT: Final = 500  # RFC 3461, section 4.2

_PATH: Final = re.compile(r"\s*<([^<>]*)>(.*)", re.DOTALL)
_HELLO_NAME: Final = re.compile(r"[!-~]+")
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")  # RFC 3461, section 4
_XTEXT_CONTROL: Final = re.compile(r"\+(?:[01][0-9A-F]|7F)")
_ORCPT: Final = re.compile(r"([A-Za-z0-9-]+);(.+)")
_UTF8_XTEXT: Final = re.compile(r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})*")


def upper(text: str) -> str:
    """Return the text in upper case, where it is ASCII.

    Python's own makes an I of a dotless i, and what nobody else takes for a keyword is none.
    """
    return text.upper() if text.isascii() else text


def parse_hello(argument: str, *, extended: bool) -> Hello | Reply:
    """Read the argument of EHLO or HELO.

    >>> parse_hello("laptop.example.net", extended=True)
    Hello(name='laptop.example.net', extended=True)
    """
    name = argument.strip()
    if not name:
        return replies.HELLO_EMPTY
    if len(name) > LONGEST_HELLO or not _HELLO_NAME.fullmatch(name):
        return replies.HELLO_INVALID
    return Hello(name, extended)


# Applications send the same commands again and again; what is remembered is bounded.
@lru_cache(maxsize=1024)
def parse_mail(
    argument: str, *, size_limit: int, offered: frozenset[str] = frozenset()
) -> Mail | Reply:
    """Read what follows `MAIL`; `offered` are those parameters of `wishes` that may be used.

    >>> parse_mail("FROM:<ann@example.org> SIZE=1000", size_limit=5000)  # doctest: +ELLIPSIS
    Mail(sender=Sender(address=Address(local='ann', domain='example.org'), size=1000, ...
    >>> str(parse_mail("FROM:ann@example.org", size_limit=5000))
    '555 5.5.2 Syntax error: write MAIL FROM:<you@example.org> [protocol.mail-syntax]'
    """
    path = _path(argument, "FROM:")
    if path is None:
        return replies.sender_syntax("")
    text, rest = path
    parameters = _parameters(rest, _mail_parameters(offered))
    if isinstance(parameters, Reply):
        return parameters
    size = parameters.get("SIZE")
    if isinstance(size, int) and size > size_limit:
        return replies.too_large(size_limit)
    address = None
    if text:
        try:
            address = Address.parse(text)
        except ValueError as error:
            return replies.sender_address(str(error))
        if not address.is_ascii and "SMTPUTF8" not in parameters:
            return replies.needs_smtputf8("sender")
    try:
        return Mail(_sender(address, parameters))
    except ValueError as error:
        return replies.parameter(str(error))


def _sender(address: Address | None, parameters: Mapping[str, object]) -> Sender:
    if not parameters:
        return Sender(address=address)
    size, body = parameters.get("SIZE"), parameters.get("BODY", Body.SEVEN_BIT)
    return Sender(
        address=address,
        size=size if isinstance(size, int) else None,
        body=body if isinstance(body, Body) else Body.SEVEN_BIT,
        smtputf8="SMTPUTF8" in parameters,
        ret=str(parameters.get("RET", "")),
        envid=str(parameters.get("ENVID", "")),
        wishes=wishes.wishes_of(parameters),
    )


@lru_cache(maxsize=1024)
def parse_rcpt(argument: str, *, smtputf8: bool, hostname: str) -> Rcpt | Reply:
    """Read what follows `RCPT`; a bare `<postmaster>` means ours (RFC 5321, section 4.5.1).

    >>> parse_rcpt("to: <bob@example.com>", smtputf8=False, hostname="mail.example.org")
    Rcpt(recipient=Recipient(address=Address(local='bob', ...
    """
    path = _path(argument, "TO:")
    if path is None:
        return replies.recipient_syntax("")
    text, rest = path
    parameters = _parameters(rest, _RCPT_PARAMETERS)
    if isinstance(parameters, Reply):
        return parameters
    if text.lower() == "postmaster":
        text = f"{text}@{hostname}"
    try:
        address = Address.parse(text)
    except ValueError as error:
        return replies.recipient_address(str(error))
    if not address.is_ascii and not smtputf8:
        return replies.needs_smtputf8("recipient")
    if not parameters:
        return Rcpt(Recipient(address))
    notify, orcpt = parameters.get("NOTIFY", frozenset()), parameters.get("ORCPT", "")
    return Rcpt(
        Recipient(address, notify if isinstance(notify, frozenset) else frozenset(), str(orcpt))
    )


def parse_bdat(argument: str) -> tuple[int, bool] | None:
    """Read octets and LAST, or return None.

    >>> parse_bdat("1000"), parse_bdat("0 last"), parse_bdat("-1"), parse_bdat("")
    ((1000, False), (0, True), None, None)
    """
    words = argument.split()
    if not words or len(words) > 2 or not re.fullmatch(r"[0-9]{1,18}", words[0]):
        return None
    if len(words) == 2 and upper(words[1]) != "LAST":
        return None
    return int(words[0]), len(words) == 2


def _path(argument: str, keyword: str) -> tuple[str, str] | None:
    if upper(argument[: len(keyword)]) != keyword:
        return None
    match = _PATH.fullmatch(argument, len(keyword))
    if match is None or (match[2] and not match[2].startswith(" ")):
        return None
    return match[1], match[2]


Parameter = Callable[[str], object]


def _parameters(text: str, known: Mapping[str, Parameter]) -> dict[str, object] | Reply:
    """Read `KEY=value` words; a parser raises ValueError with the reason."""
    found: dict[str, object] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        key = upper(key)
        if key not in known:
            return replies.unknown_parameter(key)
        if key in found:
            return replies.parameter(f"Parameter {key} is given twice")
        try:
            found[key] = known[key](value)
        except ValueError as error:
            return replies.parameter(f"Parameter {key}: {error}")
    return found


@lru_cache(maxsize=16)
def _mail_parameters(offered: frozenset[str]) -> Mapping[str, Parameter]:
    wished = {name: wishes.PARAMETERS[name] for name in wishes.PARAMETERS if name in offered}
    return {**_MAIL_PARAMETERS, **wished}


def _size(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise ValueError("SIZE is a number of octets")
    return int(value)


def _body(value: str) -> Body:
    try:
        return Body(upper(value))
    except ValueError:
        raise ValueError("BODY is 7BIT, 8BITMIME or BINARYMIME") from None


def _ret(value: str) -> str:
    if upper(value) not in {"FULL", "HDRS"}:
        raise ValueError("RET is FULL or HDRS")
    return upper(value)


def _envid(value: str) -> str:
    return _checked_xtext(value, LONGEST_ENVID)


def _auth(value: str) -> str:
    # RFC 4954, section 5: we trust no client's word about who signed in elsewhere.
    return "<>" if value == "<>" else _checked_xtext(value, LONGEST_ORCPT)


def _notify(value: str) -> frozenset[Notify]:
    try:
        found = [Notify(word) for word in upper(value).split(",")]
    except ValueError:
        raise ValueError("NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY") from None
    if len(set(found)) != len(found) or (Notify.NEVER in found and len(found) > 1):
        raise ValueError("NOTIFY=NEVER stands alone, and nothing is named twice")
    return frozenset(found)


def _orcpt(value: str) -> str:
    match = _ORCPT.fullmatch(value)
    if match is None:
        raise ValueError("ORCPT is a type, a semicolon and an address, as in rfc822;ann@b.example")
    if match[1].lower() == "utf-8":  # RFC 6533, section 3
        if len(value.encode()) > LONGEST_ORCPT or not _UTF8_XTEXT.fullmatch(match[2]):
            raise ValueError("the utf-8 address is malformed")
        return value
    _checked_xtext(match[2], LONGEST_ORCPT)
    return value


def _checked_xtext(value: str, longest: int) -> str:
    if not value or len(value) > longest or not _XTEXT.fullmatch(value):
        raise ValueError(f"the value is xtext of 1 to {longest} characters")
    if _XTEXT_CONTROL.search(value):
        # Decoded, a control character would end up in a notice's header.
        raise ValueError("the value hides a control character")
    return value


_MAIL_PARAMETERS: Final[Mapping[str, Parameter]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": wishes.no_value,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
}
_RCPT_PARAMETERS: Final[Mapping[str, Parameter]] = {"NOTIFY": _notify, "ORCPT": _orcpt}
