"""What DNS says about a domain, next to what it should say: each difference, and its cure.

`examine` asks and returns findings; nothing raises.  That nobody answered is a finding too, and
no difference.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from . import dmarc, spf
from .dkim_record import fault
from .examining_server import examine_server
from .finding import Finding, publish, unanswered
from .keys import DkimKey
from .lookup import MxRecord, Resolver
from .mta_sts import Mode, PolicyInvalid, StsPolicy, allows, read_record
from .publishing import CHALLENGE, Situation, challenge, records, spf_term, sts_policy, sts_url

__all__ = ["Finding", "examine", "examine_key"]

FetchPolicy = Callable[[str], Awaitable[StsPolicy]]
Strictness = Literal["must", "should"]
_TLSRPT: Final = re.compile(
    r"v=TLSRPTv1\s*;\s*rua=\s*((?:mailto:\S+@\S+|https://\S+)(?:\s*,\s*\S+)*?)\s*;?\s*"
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What an examination works on; `fetch` gets MTA-STS policies, None leaves them out."""

    here: Situation
    resolver: Resolver
    fetch: FetchPolicy | None = None


async def examine(ground: Ground) -> list[Finding]:
    """Return the findings, in the order in which they matter."""
    found: list[Finding] = []
    found += await _ownership(ground)
    found += await _dkim(ground)
    found += await _spf_all(ground)
    found += await _dmarc(ground)
    found += await _exchangers(ground)
    found += await _mta_sts(ground)
    found += await _tls_rpt(ground)
    found += await _returns(ground)
    found += await examine_server(ground.here, ground.resolver)
    return found


# --- whose it is, and what signs ----------------------------------------------------------


async def _ownership(ground: Ground) -> list[Finding]:
    domain = ground.here.domain
    if domain.verified is not None:
        return [Finding("ownership", "ok", "the domain is verified")]
    name = f"{CHALLENGE}.{domain.name}"
    lookup = await ground.resolver.txt(name)
    if challenge(domain) in lookup.records:
        cure = f"postwicket domain verify {domain.name}"
        return [Finding("ownership", "wrong", "the proof is in DNS; it was not looked at", cure)]
    if not lookup.found and not lookup.missing:
        return [unanswered("ownership", lookup)]
    words = "another token is published" if lookup.found else "the proof is not published"
    return [Finding("ownership", "wrong", words, publish(name, "TXT", challenge(domain)))]


async def _dkim(ground: Ground) -> list[Finding]:
    here = ground.here
    keys = [key for key in here.keys if key.state(here.now) != "past"]
    found = [await examine_key(key, ground.resolver, now=here.now) for key in keys]
    if not any(key.active(here.now) for key in keys):
        cure = f"postwicket domain verify {here.domain.name}, once the records are published"
        found.append(Finding("DKIM", "wrong", "no key is active: mail is not signed", cure))
    return found


async def examine_key(key: DkimKey, resolver: Resolver, *, now: float) -> Finding:
    """Say whether DNS has the record of a key, and the right one."""
    lookup = await resolver.txt(key.name)
    if lookup.missing:
        words = f"{key.selector} ({key.state(now)}) is not published"
    elif not lookup.found:
        return unanswered("DKIM", lookup)
    elif len(lookup.records) > 1:
        words = f"{key.selector} has {len(lookup.records)} records; one is allowed"
    else:
        words = fault(lookup.records[0], key)
        words = f"{key.selector}: {words}" if words else ""
    if not words:
        return Finding("DKIM", "ok", f"{key.selector} ({key.algorithm}, {key.state(now)})")
    return Finding("DKIM", "wrong", words, publish(key.name, "TXT", key.record))


# --- SPF ----------------------------------------------------------------------------------


async def _spf_all(ground: Ground) -> list[Finding]:
    here = ground.here
    found = await _spf(ground, here.domain.name, "should" if here.returns else "must")
    if here.returns and here.returns != here.domain.name:
        found += await _spf(ground, here.returns, "must")
    return found


async def _spf(ground: Ground, name: str, need: Strictness) -> list[Finding]:
    level: Literal["wrong", "note"] = "wrong" if need == "must" else "note"
    here = ground.here
    lookup = await ground.resolver.txt(name)
    if not lookup.found and not lookup.missing:
        return [unanswered("SPF", lookup)]
    texts = [text for text in lookup.records if spf.is_spf(text)]
    term = spf_term(here)
    if not texts:
        cure = publish(name, "TXT", f"v=spf1 {term} {'~' if name == here.domain.name else '-'}all")
        return [Finding("SPF", level, f"{name} has no SPF record", cure)]
    if len(texts) > 1:
        words = f"{name} has {len(texts)} SPF records, which counts as an error"
        return [Finding("SPF", "wrong", words, "join them into one, and remove the others")]
    try:
        record = spf.parse(texts[0])
    except spf.SpfInvalid as error:
        words = f"the record of {name} cannot be read: {error}"
        return [Finding("SPF", "wrong", words, f"correct it: {texts[0][:200]}")]
    found = _spf_habits(name, record)
    for address in here.addresses:
        result = await spf.check_host(address, name, ground.resolver, helo=here.hostname)
        found.append(_spf_finding(name, address, result, term, level))
    return found


def _spf_habits(name: str, record: spf.Record) -> list[Finding]:
    found = []
    ends = [one for one in record.mechanisms if one.name == "all"]
    if any(one.qualifier == "+" for one in ends):
        words = f"{name} ends in +all: everybody may send as it"
        found.append(Finding("SPF", "wrong", words, "write ~all or -all"))
    if not ends and not record.redirect:
        words = f"the record of {name} has no end: what is not named is neutral"
        found.append(Finding("SPF", "note", words, "add ~all"))
    if any(one.name == "ptr" for one in record.mechanisms):
        words = f"the record of {name} uses ptr, which many do not evaluate (RFC 7208, 5.5)"
        found.append(Finding("SPF", "note", words, "name the addresses or hosts instead"))
    return found


def _spf_finding(
    name: str,
    address: str,
    result: spf.Findings,
    term: str,
    level: Literal["wrong", "note"],
) -> Finding:
    cost = f"{result.lookups} of {spf.MOST_LOOKUPS} look-ups"
    match result.result:
        case "pass":
            words = f"{address} passes for {name} ({result.passed_by}; {cost})"
            return Finding("SPF", "ok", words)
        case "temperror":
            return Finding("SPF", "unknown", f"{name}: {result.why}", "try again later")
        case "permerror":
            cure = "take out what is not needed, or name networks with ip4: and ip6:"
            return Finding("SPF", "wrong", f"{name}: {result.why}", cure)
        case verdict:
            words = f"{address} gets {verdict} for {name}"
            return Finding("SPF", level, words, f"put {term} into the record, before its all")


# --- DMARC --------------------------------------------------------------------------------


async def _dmarc(ground: Ground) -> list[Finding]:
    here, resolver = ground.here, ground.resolver
    name = here.domain.name
    found = await dmarc.find(name, resolver)
    if found.failed:
        return [Finding("DMARC", "unknown", found.failed, "try again later")]
    wanted = next(one for one in records(here) if one.purpose == "DMARC")
    findings = [
        Finding(
            "DMARC",
            "wrong",
            f"_dmarc.{place} has several records, which count as none",
            "leave one",
        )
        for place in found.several
    ]
    if found.record is None:
        cure = publish(wanted.name, "TXT", wanted.value)
        return [*findings, Finding("DMARC", "wrong", f"{name} has no DMARC record", cure)]
    record = found.record
    policy = record.p if found.at == name else record.sp
    findings.append(
        Finding("DMARC", "ok", f"p={policy} (of {found.at}; organization {found.organization})")
    )
    findings += [Finding("DMARC", "note", note, f"at _dmarc.{found.at}") for note in record.notes]
    if record.testing:
        words = "t=y: receivers apply the policy one step milder than it says"
        findings.append(Finding("DMARC", "note", words, "remove t=y when the reports are clean"))
    if record.adkim == "s":
        words = f"adkim=s: a signature of {name} does not count for mail from domains below it"
        cure = "postwicket domain add for each of them, or adkim=r"
        findings.append(Finding("DMARC", "note", words, cure))
    if policy == "none":
        words = "p=none: forged mail is delivered"
        findings.append(Finding("DMARC", "note", words, "p=quarantine once reports are clean"))
    if not record.rua:
        words = "nobody gets reports"
        findings.append(Finding("DMARC", "note", words, f"add {wanted.value.split('; ')[-1]}"))
    return findings + await _report_rights(ground, found) + await _alignment(ground, found)


async def _report_rights(ground: Ground, found: dmarc.Found) -> list[Finding]:
    """Look for the consent of other domains to get reports (RFC 9990)."""
    findings = []
    for uri in found.record.rua if found.record else ():
        host = uri.partition(":")[2].partition("!")[0].rpartition("@")[2].lower()
        there = await dmarc.find(host, ground.resolver)
        if there.organization == found.organization:
            continue
        name = f"{found.at}._report._dmarc.{host}"
        lookup = await ground.resolver.txt(name)
        if lookup.missing or not any(dmarc.is_dmarc(text) for text in lookup.records):
            words = f"{host} has not agreed to get the reports: they are not sent"
            findings.append(Finding("DMARC", "note", words, publish(name, "TXT", "v=DMARC1")))
    return findings


async def _alignment(ground: Ground, found: dmarc.Found) -> list[Finding]:
    here = ground.here
    if not here.returns or found.record is None:
        return []
    there = await dmarc.find(here.returns, ground.resolver)
    fits = dmarc.aligned(
        here.domain.name,
        here.returns,
        (found.organization, there.organization),
        strict=found.record.aspf == "s",
    )
    if fits:
        return [Finding("DMARC", "ok", f"SPF is aligned: {here.returns} belongs together with it")]
    words = f"SPF is not aligned with {here.returns}: DKIM alone makes DMARC pass"
    return [Finding("DMARC", "note", words, "keep the DKIM keys in order; nothing is wrong")]


# --- how others reach the domain ----------------------------------------------------------


async def _exchangers(ground: Ground) -> list[Finding]:
    name = ground.here.domain.name
    lookup = await ground.resolver.mx(name)
    if [mx.exchange for mx in lookup.records] == [""]:
        words = f"{name} has a null MX: it takes no mail, and many refuse mail from it (RFC 7505)"
        return [Finding("MX", "wrong", words, "give it an MX, or send from another domain")]
    if lookup.found:
        return [Finding("MX", "ok", ", ".join(mx.exchange for mx in lookup.records))]
    if not lookup.missing:
        return [unanswered("MX", lookup)]
    for look in (ground.resolver.a, ground.resolver.aaaa):
        if (await look(name)).found:
            return [Finding("MX", "note", f"{name} has no MX; its address stands in", "add one")]
    words = f"{name} has neither MX nor address: answers cannot come back"
    return [Finding("MX", "wrong", words, "give it an MX")]


async def _mta_sts(ground: Ground) -> list[Finding]:
    name = ground.here.domain.name
    lookup = await ground.resolver.txt(f"_mta-sts.{name}")
    if not lookup.found:
        return [] if lookup.missing else [unanswered("MTA-STS", lookup)]
    if read_record(lookup.records) is None:
        words = "the record cannot be read, or there are several"
        cure = f"one record at _mta-sts.{name}, like v=STSv1; id=20300101000000"
        return [Finding("MTA-STS", "wrong", words, cure)]
    if ground.fetch is None:
        return []
    try:
        policy = await ground.fetch(name)
    except PolicyInvalid as error:
        cure = f"serve a policy at {sts_url(name)} with a valid certificate"
        return [Finding("MTA-STS", "wrong", str(error), cure)]
    return _sts_exchangers(policy, (await ground.resolver.mx(name)).records)


def _sts_exchangers(policy: StsPolicy, mx: tuple[MxRecord, ...]) -> list[Finding]:
    strange = [one.exchange for one in mx if one.exchange and not allows(policy, one.exchange)]
    if strange and policy.mode is not Mode.NONE:
        words = f"the policy ({policy.mode.value}) does not name {', '.join(strange)}"
        lines = sts_policy([one.exchange for one in mx]).split("\n")
        cure = f"add {', '.join(line for line in lines if line.startswith('mx:'))}; change the id"
        return [Finding("MTA-STS", "wrong", words, cure)]
    return [Finding("MTA-STS", "ok", f"mode {policy.mode.value} names every exchanger")]


async def _tls_rpt(ground: Ground) -> list[Finding]:
    name = f"_smtp._tls.{ground.here.domain.name}"
    lookup = await ground.resolver.txt(name)
    if not lookup.found and not lookup.missing:
        return [unanswered("TLS-RPT", lookup)]
    texts = [text for text in lookup.records if text.startswith("v=TLSRPTv1")]
    if not texts:
        return []
    if len(texts) > 1:
        return [Finding("TLS-RPT", "wrong", f"{name} has several records", "leave one")]
    if not _TLSRPT.fullmatch(texts[0]):
        cure = "write it like v=TLSRPTv1; rua=mailto:tlsrpt@example.org (RFC 8460, section 3)"
        return [Finding("TLS-RPT", "wrong", f"{name} cannot be read", cure)]
    return [Finding("TLS-RPT", "ok", texts[0])]


async def _returns(ground: Ground) -> list[Finding]:
    here = ground.here
    if not here.returns:
        return []
    lookup = await ground.resolver.mx(here.returns)
    if not lookup.found and not lookup.missing:
        return [unanswered("return path", lookup)]
    if here.hostname in {mx.exchange for mx in lookup.records}:
        return [Finding("return path", "ok", f"bounces to {here.returns} come to {here.hostname}")]
    words = f"bounces to {here.returns} do not come to this server"
    cure = publish(here.returns, "MX", f"10 {here.hostname}.")
    return [Finding("return path", "wrong", words, cure)]
