"""`postwicket serve`: run the server in the foreground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from .call import Call, ConfigOption, JsonOption

if TYPE_CHECKING:
    from postwicket.supervisor import OpenListener


def serve(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Run the server until it is told to stop."""
    from postwicket import supervisor

    call = Call.of(context, config, as_json)
    configuration = call.configuration()

    def ready(listeners: Sequence[OpenListener]) -> None:
        import json
        import sys

        # One line, at once: whoever started us waits for it, and no document follows.
        facts = {"listeners": [one.facts() for one in listeners]}
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    status = supervisor.serve(
        configuration.settings,
        config_path=configuration.file,
        ready=ready if call.json else None,
    )
    raise typer.Exit(status)
