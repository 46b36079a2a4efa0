"""`postwicket tls-report`: how sessions with other servers were secured, as it is reported."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from . import show
from .call import Call, ConfigOption, JsonOption, Refused, now

app = typer.Typer(
    help="How sessions with other servers were secured (RFC 8460).", no_args_is_help=True
)


@app.command("show")
def show_day(
    context: typer.Context,
    *,
    day: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="A day in UTC; default: today.")
    ] = "",
    domain: Annotated[str, typer.Option(help="Only this domain of recipients.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was counted on a day, which is what domains that ask for it are told."""
    call = Call.of(context, config, as_json)
    wanted = _day(day)
    with call.store() as store:
        results = store.tls_results(wanted)
    found = [one for one in results if domain.lower() in {"", one.domain}]
    if call.json:
        show.document([asdict(one) for one in found])
        return
    columns = ("domain", "policy", "exchanger", "result", "sessions")
    rows = [
        (one.domain, one.policy_type, one.receiving_mx, one.result, str(one.count))
        for one in found
    ]
    if rows:
        show.table(columns, rows)
    else:
        show.hint(f"nothing was counted on {wanted}")


def _day(text: str) -> str:
    """Return a day as storage has it; raise `Refused`."""
    today = datetime.fromtimestamp(now(), UTC).date()
    if text in {"", "today"}:
        return today.isoformat()
    if text == "yesterday":
        return (today - timedelta(days=1)).isoformat()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Refused(f"{text[:40]!r} is no day; write it as {today.isoformat()}", 2) from None
