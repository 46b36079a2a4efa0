"""The command line: `postwicket COMMAND`, one file for each group of commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer

from . import (
    account,
    app_password,
    configuration,
    deliveries,
    domain,
    inbox,
    life,
    send,
    serving,
    suppression,
    tls_report,
    trial,
)
from .call import DONE, LATER, NO, WRONG, Refused, remember

app = typer.Typer(
    help="Your own outgoing-mail server: takes mail from your applications and delivers it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(remember)
app.command("serve")(serving.serve)
app.command("try")(trial.start)
app.add_typer(configuration.app, name="config")
app.add_typer(account.app, name="account")
app.add_typer(app_password.app, name="app-password")
app.add_typer(domain.app, name="domain")
app.add_typer(deliveries.app, name="queue")
app.add_typer(inbox.app, name="inbox")
app.add_typer(suppression.app, name="suppression")
app.add_typer(tls_report.app, name="tls-report")
app.command("trace")(life.trace)
app.command("send")(send.send)

# Typer brings its own copy of click; the ancestors of what it exports are its public face.
_USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    try:
        status: Any = app(
            args=None if words is None else list(words),
            prog_name="postwicket",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except _USAGE_ERROR as error:
        return _wrong_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except (BrokenPipeError, SystemExit):
        # The reader of our output has seen enough (`| head`): click makes it an exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - sorted below; what is a bug is raised again
        return _report(error)
    return status if isinstance(status, int) else DONE


def _wrong_usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "postwicket"
    text = getattr(error, "format_message", lambda: str(error))().strip()
    if not text:
        return WRONG  # the help was shown already
    text = f"{text[0].lower()}{text[1:].rstrip('.')}".replace(". Did you", "; did you")
    _complain(text if text.endswith("?") else f"{text}; see {command} --help")
    return WRONG


def _report(error: Exception) -> int:
    """Say what went wrong and return the status that goes with it; raise what is a bug."""
    from postwicket.config import ConfigError
    from postwicket.storage.interfaces import Conflict, StorageUnavailable

    if isinstance(error, Refused):
        _complain(str(error))
        return error.status
    if isinstance(error, ConfigError):
        for problem in error.problems:
            _complain(str(problem))
        return WRONG
    if isinstance(error, Conflict):
        _complain(f"{error}; the list command of this group shows what there is")
        return NO
    if isinstance(error, StorageUnavailable):
        _complain(f"the database does not answer: {error}; try again, or look at disk and rights")
        return LATER
    raise error


def _complain(text: str) -> None:
    sys.stderr.write(f"postwicket: {text}\n")
