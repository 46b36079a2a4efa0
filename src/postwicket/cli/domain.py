"""`postwicket domain`: domains that mail is signed for, their keys, and what DNS has to say."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from postwicket.core.clock import rfc3339

from . import show
from .call import (
    DONE,
    LATER,
    NO,
    Call,
    ConfigOption,
    JsonOption,
    Refused,
    group,
    now,
    tell_journal,
)
from .domain_asking import Proof, ask, examined, proved, situation
from .domain_name import domain_name

if TYPE_CHECKING:
    from postwicket.storage.interfaces import Store
    from postwicket.trust.finding import Finding
    from postwicket.trust.keys import DkimKey, Domain
    from postwicket.trust.publishing import DnsRecord

app = group("Domains: DKIM keys, and the DNS records that mail needs.")

DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN", show_default=False)]


def describe(domain: Domain, keys: list[DkimKey]) -> dict[str, object]:
    """Return a domain as JSON shows it; private keys stay where they are."""
    return {
        "name": domain.name,
        "created": rfc3339(domain.created),
        "verified": rfc3339(domain.verified),
        "keys": [
            {
                "selector": key.selector,
                "algorithm": key.algorithm,
                "state": key.state(now()),
                "record": key.name,
                "value": key.record,
                "created": rfc3339(key.created),
                "active_from": rfc3339(key.active_from),
                "active_until": rfc3339(key.active_until),
                "remove_after": rfc3339(key.remove_after),
            }
            for key in keys
        ],
    }


def _known(store: Store, name: str) -> Domain:
    domain = store.domain(name)
    if domain is None:
        raise Refused(f"there is no domain {name}; make it with postwicket domain add {name}")
    return domain


def _tell(call: Call, store: Store, name: str, sentence: str) -> None:
    if call.json:
        show.document(describe(_known(store, name), store.dkim_keys(name)))
    else:
        show.say(sentence)


@app.command()
def add(
    context: typer.Context,
    domain: DomainArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a domain in and make its keys.  It signs once DNS proves that it is yours."""
    from postwicket.submission.domain_keys import make_keys

    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    with call.store() as store:
        store.add_domain(name, token=secrets.token_hex(16), now=now())
        make_keys(store, call.configuration().settings, name, now())
        tell_journal(store, "domain add", name)
        _tell(
            call,
            store,
            name,
            f"{name} is known; publish what postwicket domain dns {name} prints, then: "
            f"postwicket domain verify {name}",
        )


@app.command()
def verify(
    context: typer.Context,
    domain: DomainArgument,
    *,
    unchecked: Annotated[
        bool,
        typer.Option("--unchecked", help="Believe it without asking DNS: for laboratories."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Look into DNS for the proof and the keys, and let the keys sign whose records are right."""
    from postwicket.submission.domain_keys import activate, forget_past, prepared

    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    settings = call.configuration().settings
    with call.store() as store:
        known, waiting = _known(store, name), prepared(store, name, now())
        if unchecked:
            proof = Proof(right=frozenset(key.id for key in waiting))
        else:
            proof = ask(settings, partial(proved, known, waiting))
        if proof.why:
            hint = f"see postwicket domain dns {name}, and try again when it is published"
            raise Refused(
                f"{name} is not proved to be yours: {proof.why}; {hint}",
                LATER if proof.later else NO,
            )
        store.verify_domain(name, now=now())
        active = activate(store, settings, name, proof.right, now())
        past = forget_past(store, name, now())
        told = ", ".join(key.selector for key in active)
        tell_journal(store, "domain verify", name, f"active: {told}" if told else "")
        for key in past:
            show.hint(f"{key.name} is needed no more; its record may go")
        missing = [one for one in proof.findings if one.level != "ok"]
        for one in missing:
            show.hint(f"{one.topic}: {one.text}; {one.cure}")
        signing = f"; now signing with {told}" if told else ""
        _tell(call, store, name, f"{name} is verified{signing}")
    return _status(missing)


@app.command("list")
def list_domains(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List all domains."""
    call = Call.of(context, config, as_json)
    with call.store() as store:
        found = [(domain, store.dkim_keys(domain.name)) for domain in store.domains()]
    if call.json:
        show.document([describe(*one) for one in found])
        return
    if not found:
        show.hint("there are no domains; mail is not signed: postwicket domain add DOMAIN")
        return
    rows = [
        (
            domain.name,
            "verified" if domain.verified is not None else "not verified",
            ", ".join(f"{key.selector} ({key.state(now())})" for key in keys),
        )
        for domain, keys in found
    ]
    show.table(("domain", "state", "keys"), rows)


@app.command("show")
def show_domain(
    context: typer.Context,
    domain: DomainArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one domain and its keys."""
    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    with call.store() as store:
        known, keys = _known(store, name), store.dkim_keys(name)
    if call.json:
        show.document(describe(known, keys))
        return
    verified = show.exact(known.verified) or f"no; postwicket domain verify {name}"
    show.say(f"{name}  verified: {verified}")
    rows = [
        (
            key.selector,
            key.algorithm,
            key.state(now()),
            show.exact(key.active_from),
            show.exact(key.active_until),
            show.exact(key.remove_after),
        )
        for key in keys
    ]
    show.table(("selector", "algorithm", "state", "from", "until", "record until"), rows)


@app.command()
def remove(
    context: typer.Context,
    domain: DomainArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a domain and its keys: its mail is not signed any more."""
    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    with call.store() as store:
        store.remove_domain(name)
        tell_journal(store, "domain remove", name)
    show.document({"removed": name}) if call.json else show.say(f"{name} and its keys are gone")


@app.command()
def rotate(
    context: typer.Context,
    domain: DomainArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make new keys.  The old ones sign until `domain verify` has seen the new records."""
    from postwicket.submission.domain_keys import make_keys, prepared

    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    with call.store() as store:
        _known(store, name)
        if prepared(store, name, now()):
            raise Refused(
                f"{name} has new keys already; publish what postwicket domain dns {name} prints, "
                f"then: postwicket domain verify {name}"
            )
        made = make_keys(store, call.configuration().settings, name, now())
        tell_journal(store, "domain rotate", name, ", ".join(key.selector for key in made))
        for key in made:
            show.hint(f'publish {key.name} TXT "{key.record}"')
        _tell(call, store, name, f"then: postwicket domain verify {name}")


@app.command()
def dns(
    context: typer.Context,
    domain: DomainArgument,
    *,
    zone: Annotated[bool, typer.Option("--zone", help="As a piece of a zone file.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the records to publish: whose it is, DKIM, SPF, DMARC, return path, server."""
    from postwicket.trust.publishing import records, sts_policy, sts_url, zone_file

    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    settings = call.configuration().settings
    with call.store() as store:
        known, keys = _known(store, name), store.dkim_keys(name)
    here = ask(settings, partial(situation, settings, known, keys))
    if call.json:
        policy = sts_policy(here.exchangers) if here.exchangers else None
        show.document(
            {
                "domain": name,
                "records": [_record(one) for one in records(here)],
                "mta_sts": {"url": sts_url(name), "policy": policy} if policy else None,
            }
        )
    elif zone:
        show.say(zone_file(here))
    else:
        rows = [(one.purpose, one.need, one.name, one.kind, one.value) for one in records(here)]
        show.table(("purpose", "need", "name", "type", "value"), rows)
        if here.exchangers:
            show.hint(f"for MTA-STS, {sts_url(name)} has to be:\n{sts_policy(here.exchangers)}")


def _record(one: DnsRecord) -> dict[str, object]:
    from postwicket.trust.publishing import strings

    split = {"strings": strings(one.value)} if one.kind == "TXT" else {}
    return {"type" if key == "kind" else key: value for key, value in asdict(one).items()} | split


@app.command()
def check(
    context: typer.Context,
    domain: DomainArgument,
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare DNS with what it should say; exit 1 when something is wrong, 75 when unknown."""
    call = Call.of(context, config, as_json)
    name = domain_name(domain)
    settings = call.configuration().settings
    with call.store() as store:
        known, keys = _known(store, name), store.dkim_keys(name)
    findings = ask(settings, partial(examined, settings, known, keys))
    status = _status(findings)
    if call.json:
        found = [asdict(one) for one in findings]
        show.document({"domain": name, "ok": status == 0, "findings": found})
    else:
        show.table(("level", "topic", "found", "cure"), [_row(one) for one in findings])
    return status


def _status(findings: Sequence[Finding]) -> int:
    """Return 1 where something is wrong, 75 where DNS did not answer, else 0."""
    levels = {one.level for one in findings}
    if "wrong" in levels:
        return NO
    return LATER if "unknown" in levels else DONE


def _row(one: Finding) -> tuple[str, str, str, str]:
    return one.level, one.topic, one.text, one.cure
