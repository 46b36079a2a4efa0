"""What every command shares: the two options, the way to settings and storage, the way to say no.

Exit status: 0 done, 1 the answer is no, 2 wrong usage or configuration, 75 try again later.
Errors go to standard error as `what is wrong; what to do`.  Heavy imports happen inside, so
that `--help` and a wrong option are answered at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from postwicket.core.entry import Administered

if TYPE_CHECKING:  # these rooms take 100 ms to import: too much for --help
    from postwicket.config import Configuration
    from postwicket.storage.interfaces import Store

DONE: Final = 0
NO: Final = 1
WRONG: Final = 2
LATER: Final = 75

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration file.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


class Refused(Exception):
    """The command cannot be done: the text says what is wrong and what to do."""

    def __init__(self, text: str, status: int = NO) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Call:
    """One call of a command: its options, given before or after the command's name."""

    config: Path | None = None
    json: bool = False

    @classmethod
    def of(cls, context: typer.Context, config: Path | None, as_json: bool) -> Call:  # noqa: FBT001 - as the option gives it
        """Return the call, from the options here and those before the command's name."""
        earlier = context.find_object(cls) or cls()
        return cls(config or earlier.config, as_json or earlier.json)

    def configuration(self) -> Configuration:
        """Read the configuration; raise `ConfigError`."""
        from postwicket.config import find_config, read

        return read(find_config(self.config))

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the database of the configured server, whether it runs or not."""
        from postwicket.storage.opening import open_store

        data = self.configuration().settings.data
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Refused(
                f"cannot make {data}: {error.strerror}; check `data`, or run as the server's user"
            ) from None
        store = open_store(data)
        try:
            yield store
        finally:
            store.close()


def remember(
    context: typer.Context,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep options that stand before the command's name for the command."""
    context.obj = Call.of(context, config, as_json)


def group(help: str) -> typer.Typer:
    """Return an empty command group."""
    made = typer.Typer(help=help, no_args_is_help=True, rich_markup_mode="rich")
    made.callback()(remember)
    return made


def now() -> float:
    """Return the time, in seconds since 1970, UTC."""
    return time.time()


def tell_journal(store: Store, what: str, subject: str, detail: str = "") -> None:
    """Append what was changed by hand, behind the change itself."""
    store.record(Administered(at=now(), what=what, subject=subject, detail=detail))


def canonical(address: str) -> str:
    """Return an account's address in canonical form; raise `Refused` with WRONG.

    >>> canonical(" Ann@Example.ORG ")
    'ann@example.org'
    """
    from postwicket.core.address import Address

    try:
        return Address.parse(address.strip()).canonical
    except ValueError as error:
        raise Refused(f"{error}; write it like ann@example.org", WRONG) from None


def secret_line() -> str:
    """Return the first line of standard input; raise `Refused` when it is empty."""
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise Refused("there is no password on standard input; write one line to it", WRONG)
    return line
