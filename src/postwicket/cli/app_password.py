"""`postwicket app-password`: one secret for each application of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from postwicket.core.clock import rfc3339

from . import show
from .account import AddressArgument
from .call import Call, ConfigOption, JsonOption, Refused, canonical, group, now, tell_journal

if TYPE_CHECKING:
    from postwicket.identity.account import AppPassword

app = group("App passwords: one for each application, shown once, revocable.")


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    *,
    label: Annotated[str, typer.Option(help="Which application it is for.", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an app password and show it, this one time."""
    from postwicket.identity.app_password import fingerprint, generate, grouped
    from postwicket.identity.keys import load_key

    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    letters = generate()
    with call.store() as store:
        key = load_key(call.configuration().settings.data)
        made = store.add_app_password(
            wanted, label=label, fingerprint=fingerprint(key, letters), now=now()
        )
        tell_journal(store, "app-password add", wanted, f"{made.id} {label}")
    if call.json:
        facts = {"id": made.id, "address": wanted, "label": label, "password": letters}
        show.document(facts)
        return
    show.say(grouped(letters))
    show.hint(f"app password {made.id} of {wanted} for {label}; it is not shown again")


@app.command("list")
def list_passwords(
    context: typer.Context,
    address: AddressArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List an account's app passwords; the secrets themselves are kept nowhere."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    with call.store() as store:
        if store.account(wanted) is None:
            raise Refused(f"there is no account {wanted}; see postwicket account list")
        found = store.app_passwords(wanted)
    if call.json:
        show.document([_describe(one, wanted) for one in found])
        return
    at = now()
    rows = [
        (
            str(one.id),
            one.label,
            show.when(one.created, at),
            f"{show.when(one.last_used, at)} {one.last_peer}".strip() or "never",
            "active" if one.revoked is None else f"revoked {show.when(one.revoked, at)}",
        )
        for one in found
    ]
    show.table(("id", "label", "made", "last used", "state"), rows)


@app.command()
def revoke(
    context: typer.Context,
    address: AddressArgument,
    id: Annotated[int, typer.Argument(metavar="ID", show_default=False)],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """End an app password at once."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    with call.store() as store:
        ended = store.revoke_app_password(wanted, id, now=now())
        tell_journal(store, "app-password revoke", wanted, f"{ended.id} {ended.label}")
    if call.json:
        show.document(_describe(ended, wanted))
    else:
        show.say(f"app password {id} ({ended.label}) of {wanted} is revoked")


def _describe(one: AppPassword, address: str) -> dict[str, object]:
    return {
        "id": one.id,
        "address": address,
        "label": one.label,
        "created": rfc3339(one.created),
        "last_used": rfc3339(one.last_used),
        "last_peer": one.last_peer,
        "revoked": rfc3339(one.revoked),
    }
