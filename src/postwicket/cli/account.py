"""`postwicket account`: who may sign in, as whom they may write, and how much."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from postwicket.core.clock import rfc3339
from postwicket.core.secret import Secret

from . import show
from .call import (
    WRONG,
    Call,
    ConfigOption,
    JsonOption,
    Refused,
    canonical,
    group,
    now,
    secret_line,
    tell_journal,
)

if TYPE_CHECKING:
    from postwicket.identity.account import Account, Grant

app = group("Accounts: who may sign in and send.")

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", show_default=False)]
FromArgument = Annotated[
    str,
    typer.Argument(
        metavar="FROM", help="An address, or *@domain for a whole one.", show_default=False
    ),
]


def describe(account: Account) -> dict[str, object]:
    """Return an account as JSON shows it; its password stays where it is."""
    return {
        "address": account.address,
        "name": account.name,
        "suspended": account.suspended,
        "has_password": bool(account.password_hash),
        "password_over_smtp": account.password_over_smtp,
        "grants": sorted(grant.pattern for grant in account.grants),
        "limits": asdict(account.limits),
        "lane": account.lane,
        "created": rfc3339(account.created),
    }


def _tell(call: Call, account: Account, sentence: str) -> None:
    show.document(describe(account)) if call.json else show.say(sentence)


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    *,
    name: Annotated[str, typer.Option(help="Whose it is, for people.")] = "",
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read an account password from a line of stdin."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account.  Applications sign in with app passwords: see app-password add."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    hashed = _hashed(secret_line()) if password_stdin else ""
    with call.store() as store:
        account = store.add_account(wanted, name=name, password_hash=hashed, now=now())
        tell_journal(store, "account add", wanted, name)
    _tell(
        call,
        account,
        f"{wanted} may sign in; next: postwicket app-password add {wanted} --label …",
    )


def _hashed(password: str) -> str:
    from postwicket.identity.password import hash_password

    try:
        return hash_password(Secret(password))
    except ValueError as error:
        raise Refused(f"{error}; choose another password", WRONG) from None


@app.command("list")
def list_accounts(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List all accounts."""
    call = Call.of(context, config, as_json)
    with call.store() as store:
        accounts = store.accounts()
    if call.json:
        show.document([describe(account) for account in accounts])
        return
    if not accounts:
        show.hint("there are no accounts; make one with postwicket account add ADDRESS")
        return
    rows = [
        (
            account.address,
            account.name,
            "suspended" if account.suspended else "active",
            ", ".join(sorted(grant.pattern for grant in account.grants)),
        )
        for account in accounts
    ]
    show.table(("address", "name", "state", "may also write as"), rows)


@app.command("show")
def show_account(
    context: typer.Context,
    address: AddressArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one account."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    with call.store() as store:
        account = store.account(wanted)
        passwords = store.app_passwords(wanted) if account else []
    if account is None:
        raise Refused(f"there is no account {wanted}; see postwicket account list")
    active = sum(one.revoked is None for one in passwords)
    facts = {**describe(account), "app_passwords": active}
    if call.json:
        show.document(facts)
        return
    for key, value in facts.items():
        show.say(f"{key.replace('_', ' '):<20} {_words(value)}")


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        own = [f"{key} {number}" for key, number in value.items() if number is not None]
        return ", ".join(own) or "the server's"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command()
def remove(
    context: typer.Context,
    address: AddressArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete an account with its app passwords and grants; its mail stays."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    with call.store() as store:
        store.remove_account(wanted)
        tell_journal(store, "account remove", wanted)
    show.document({"removed": wanted}) if call.json else show.say(f"{wanted} is gone")


@app.command()
def suspend(
    context: typer.Context,
    address: AddressArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop an account at once; live sessions end at their next command."""
    call = Call.of(context, config, as_json)
    _change(call, "suspend", address, "may not sign in any more", suspended=True)


@app.command()
def resume(
    context: typer.Context,
    address: AddressArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a suspended account sign in again."""
    call = Call.of(context, config, as_json)
    _change(call, "resume", address, "may sign in again", suspended=False)


@app.command("allow-password")
def allow_password(
    context: typer.Context,
    address: AddressArgument,
    *,
    no: Annotated[bool, typer.Option("--no", help="Take it back.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Set the account password, too.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an account use its own password for SMTP (app passwords are better: revocable)."""
    call = Call.of(context, config, as_json)
    hashed = _hashed(secret_line()) if password_stdin else None
    words = "needs an app password" if no else "may use its own password for SMTP"
    _change(
        call, "allow-password", address, words, password_over_smtp=not no, password_hash=hashed
    )


def _change(
    call: Call,
    verb: str,
    address: str,
    words: str,
    *,
    suspended: bool | None = None,
    password_over_smtp: bool | None = None,
    password_hash: str | None = None,
    lane: str | None = None,
) -> None:
    wanted = canonical(address)
    with call.store() as store:
        account = store.change_account(
            wanted,
            suspended=suspended,
            password_over_smtp=password_over_smtp,
            password_hash=password_hash,
            lane=lane,
        )
        tell_journal(store, f"account {verb}", wanted, words)
    _tell(call, account, f"{wanted} {words}")


@app.command("lane")
def change_lane(
    context: typer.Context,
    address: AddressArgument,
    lane: Annotated[
        str,
        typer.Argument(metavar="LANE", help="transactional or bulk.", show_default=False),
    ],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what an account's mail is when it does not say so itself; bulk waits for the rest."""
    from postwicket.policy.lane import LANES

    call = Call.of(context, config, as_json)
    if lane not in LANES:
        raise Refused(f"{lane!r} is no lane; write transactional or bulk", WRONG)
    _change(call, "lane", address, f"sends {lane} mail, where a message does not say", lane=lane)


@app.command()
def grant(
    context: typer.Context,
    address: AddressArgument,
    sender: FromArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an account write as another address, or as a whole domain."""
    call = Call.of(context, config, as_json)
    wanted, right = canonical(address), _grant(sender)
    with call.store() as store:
        account = store.grant(wanted, right)
        tell_journal(store, "account grant", wanted, right.pattern)
    _tell(call, account, f"{wanted} may write as {right.pattern}")


@app.command()
def withdraw(
    context: typer.Context,
    address: AddressArgument,
    sender: FromArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what grant gave."""
    call = Call.of(context, config, as_json)
    wanted, right = canonical(address), _grant(sender)
    with call.store() as store:
        account = store.withdraw(wanted, right)
        tell_journal(store, "account withdraw", wanted, right.pattern)
    _tell(call, account, f"{wanted} may not write as {right.pattern} any more")


def _grant(text: str) -> Grant:
    from postwicket.identity.account import Grant

    try:
        return Grant.parse(text)
    except ValueError as error:
        raise Refused(f"{error}; write news@example.org or *@example.org", WRONG) from None


LimitOption = Annotated[
    str | None, typer.Option(metavar="N", help='A number, or "default".', show_default=False)
]


@app.command()
def limit(
    context: typer.Context,
    address: AddressArgument,
    *,
    messages_per_day: LimitOption = None,
    recipients_per_day: LimitOption = None,
    recipients_per_message: LimitOption = None,
    message_size: LimitOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account limits of its own, in place of the server's."""
    call = Call.of(context, config, as_json)
    wanted = canonical(address)
    given = {
        "messages_per_day": messages_per_day,
        "recipients_per_day": recipients_per_day,
        "recipients_per_message": recipients_per_message,
        "message_size": message_size,
    }
    changed = {key: _limit(key, text) for key, text in given.items() if text is not None}
    if not changed:
        raise Refused("no limit is named; give one, like --messages-per-day 500", WRONG)
    with call.store() as store:
        known = store.account(wanted)
        if known is None:
            raise Refused(f"there is no account {wanted}; see postwicket account list")
        account = store.change_account(wanted, limits=replace(known.limits, **changed))
        told = ", ".join(f"{key} {number or 'default'}" for key, number in changed.items())
        tell_journal(store, "account limit", wanted, told)
    _tell(call, account, f"{wanted} has new limits: {_words(asdict(account.limits))}")


def _limit(key: str, text: str) -> int | None:
    from postwicket.config.values import octets

    if text == "default":
        return None
    try:
        number = octets(text) if key == "message_size" else int(text)
    except ValueError:
        number = 0
    if number < 1:
        option = key.replace("_", "-")
        raise Refused(f'--{option} {text} is no limit; give a number, or "default"', WRONG)
    return number
