"""The command itself: read, submit or spool, and say how it went in an exit status.

Status 0 means that the mail is with the server or safely in the spool; any other means that it
is with neither, and the reason is on standard error.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from . import arguments, mail, settings, status
from .spool import Flushed, Spool
from .submit import Answer, Envelope, Result, Session, Unreachable, summary

LARGEST: Final = 256 * 1024 * 1024  # octets in memory; the server's own limit is far below
_PATIENCE: Final = 5.0  # seconds that a caller lends us for other people's waiting mail


def main() -> int:
    """Run with the process's own words, environment and standard input."""
    return run(sys.argv, os.environ, sys.stdin.buffer)


def run(words: Sequence[str], environ: Mapping[str, str], source: BinaryIO) -> int:
    """Serve one call; return the exit status."""
    name = Path(words[0]).name
    try:
        given = arguments.read(words[1:])
        if name == "mailq":
            given.mode = "p"
        if name == "newaliases" or given.mode == "i":
            return status.OK
        found = settings.load(settings.find(given.config, environ), environ)
        spool = Spool(found.spool)
        if given.mode == "p":
            return _list(spool)
        if given.mode == "q":
            return _flush(found, spool, verbose=given.verbose)
        return _send(given, found, spool, source)
    except status.Failed as error:
        _complain(str(error))
        return error.status


def _send(
    given: arguments.Arguments, found: settings.Settings, spool: Spool, source: BinaryIO
) -> int:
    envelope, content = _message(given, found, source)
    try:
        with Session(found.server) as session:
            result = session.send(envelope, content)
            _tell(given, f"the server said {result.reply}" if result.accepted else "")
            if result.accepted and not result.deferred and spool.waiting():
                _report(spool.flush(session, until=time.monotonic() + _PATIENCE), given)
    except Unreachable as error:
        result = Result(deferred=dict.fromkeys(envelope.recipients, Answer(451, str(error))))
    if result.deferred:
        _keep(given, spool, envelope, content, result)
    for line in summary(result.refused):
        _complain(line)
    return next((answer.status for answer in result.refused.values()), status.OK)


def _message(
    given: arguments.Arguments, found: settings.Settings, source: BinaryIO
) -> tuple[Envelope, bytes]:
    named = mail.split_addresses(given.recipients)
    if not named and not given.from_header:
        raise status.Failed(status.USAGE, "nobody to send to; name recipients, or use -t")
    data = source.read(LARGEST + 1)
    mail.refuse_too_large(data, LARGEST)
    message = mail.parse(data, ignore_dots=given.ignore_dots)
    if given.from_header:
        named += mail.recipients_of(message)
    hostname = found.hostname
    recipients = mail.unique([mail.qualify(address, hostname) for address in named])
    if not recipients:
        raise status.Failed(
            status.USAGE, "the header names nobody to send to; add a To, Cc or Bcc line"
        )
    sender = _sender(given.sender, found)
    mail.complete(
        message,
        sender=sender or found.sender,
        name=given.name,
        hostname=hostname,
        blind=given.from_header,
    )
    envelope = Envelope(
        sender=sender,
        recipients=tuple(recipients),
        notify=given.notify,
        ret=given.ret,
        envid=given.envid,
        body=given.body,
    )
    return envelope, message.content()


def _sender(option: str | None, found: settings.Settings) -> str:
    """Return the return path; `-f "<>"` asks for the empty one."""
    if option is None:
        return found.sender
    if option.strip() in {"", "<>"}:
        return ""
    named = mail.split_addresses([option])
    if len(named) != 1:
        raise status.Failed(status.USAGE, f"-f {option[:80]!r} is not one address; correct it")
    return mail.qualify(named[0], found.hostname)


def _keep(
    given: arguments.Arguments, spool: Spool, envelope: Envelope, content: bytes, result: Result
) -> None:
    recipients = tuple(result.deferred)
    reason = str(next(iter(result.deferred.values())).text)
    try:
        spool.put(replace(envelope, recipients=recipients), content)
    except OSError as error:
        raise status.Failed(
            status.TEMPFAIL,
            f"{reason}, and the mail cannot be kept in {spool.folder} ({error.strerror}); "
            "try again later, or set sendmail.spool to a folder you may write",
        ) from None
    _tell(given, f"queued in {spool.folder}: {reason}")


def _list(spool: Spool) -> int:
    lines = list(spool.describe())
    for line in lines:
        _say(line)
    _say(f"{len(lines)} in {spool.folder}; what the server has: use postwicket queue list")
    return status.OK


def _flush(found: settings.Settings, spool: Spool, *, verbose: bool) -> int:
    given = arguments.Arguments(verbose=verbose)
    if not spool.waiting():
        _tell(given, f"nothing waits in {spool.folder}")
        return status.OK
    try:
        with Session(found.server) as session:
            flushed = spool.flush(session)
    except Unreachable as error:
        _complain(f"{error}; the mail stays in {spool.folder}")
        return status.TEMPFAIL
    _report(replace(flushed, reason=""), given)
    if flushed.reason:
        _complain(_still_waiting(flushed))
        return status.TEMPFAIL
    return status.OK


def _report(flushed: Flushed, given: arguments.Arguments) -> None:
    if flushed.refused:
        _complain(f"{flushed.refused} spooled messages were refused; see postwicket-sendmail -bp")
    if flushed.reason:
        _tell(given, _still_waiting(flushed))
    _tell(given, f"{flushed.sent} spooled messages were handed in" if flushed.sent else "")


def _still_waiting(flushed: Flushed) -> str:
    return f"{flushed.waiting} spooled messages still wait: {flushed.reason}"


def _tell(given: arguments.Arguments, text: str) -> None:
    if given.verbose and text:
        _say(text)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _complain(text: str) -> None:
    sys.stderr.write(f"postwicket-sendmail: {text}\n")
