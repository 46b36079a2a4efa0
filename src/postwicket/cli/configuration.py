"""`postwicket config`: is the configuration right, and where does each setting come from."""

from __future__ import annotations

import sys

import typer

from . import show
from .call import DONE, NO, Call, ConfigOption, JsonOption, group

app = group("The configuration: check it, explain it.")


@app.command()
def check(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Read the configuration and look at the files it names; exit status 1 if it cannot work."""
    from postwicket.config import ConfigError, find_config
    from postwicket.config.examine import examine

    call = Call.of(context, config, as_json)
    try:
        findings = examine(call.configuration())
        problems = [finding.problem for finding in findings if finding.fatal]
        doubts = [finding.problem for finding in findings if not finding.fatal]
    except ConfigError as error:
        problems, doubts = list(error.problems), []
    file = find_config(call.config)
    if call.json:
        show.document(
            {
                "ok": not problems,
                "file": None if file is None else str(file),
                "problems": [
                    _plain(problem.place, problem.key, problem.text) for problem in problems
                ],
                "warnings": [
                    _plain(problem.place, problem.key, problem.text) for problem in doubts
                ],
            }
        )
    else:
        for problem in problems:
            show.hint(str(problem))
        for problem in doubts:
            show.hint(f"warning: {problem}")
        if not problems:
            show.say(f"{file or 'the environment'} is a working configuration")
    raise typer.Exit(NO if problems else DONE)


def _plain(place: str, key: str, text: str) -> dict[str, str]:
    return {"place": place, "key": key, "text": text}


@app.command()
def explain(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show every setting: its value, where that comes from, and what it is for."""
    from postwicket.config.explain import DEFAULT
    from postwicket.config.explain import explain as settings_of

    call = Call.of(context, config, as_json)
    settings = settings_of(call.configuration())
    if call.json:
        show.document(
            [
                {
                    "key": one.key,
                    "value": one.value,
                    "origin": one.origin,
                    "documentation": one.documentation,
                }
                for one in settings
            ]
        )
        return
    if not sys.stdout.isatty():
        rows = [(one.key, _words(one.value), one.origin, one.documentation) for one in settings]
        show.table(("setting", "value", "from", "what it is"), rows)
        return
    from rich.text import Text

    console = show.console()
    for one in settings:
        set_here = one.origin != DEFAULT
        line = Text(one.key, "bold" if set_here else "")
        line.append(" = ").append(_words(one.value), "green" if set_here else "cyan")
        line.append(f"   {one.origin}", "dim")
        console.print(line)
        console.print(Text(f"    {one.documentation}", "dim"))


def _words(value: object) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
