"""DMARC (RFC 9989): the record, where it is found by the tree walk, and alignment.

The organizational domain is found by asking upwards (section 4.10), not from a list of public
suffixes.  `pct`, `rf` and `ri` of RFC 7489 are no more; `np`, `psd` and `t` are new.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from .lookup import Resolver, Verdict

WALK: Final = 8  # questions at most; section 4.10
Policy = Literal["none", "quarantine", "reject"]
POLICIES: Final[tuple[Policy, ...]] = ("none", "quarantine", "reject")
REMOVED: Final = ("pct", "rf", "ri")
_KNOWN: Final = frozenset(
    {"v", "p", "sp", "np", "adkim", "aspf", "fo", "psd", "t", "rua", "ruf", *REMOVED}
)
_VALUES: Final = {
    "p": POLICIES,
    "sp": POLICIES,
    "np": POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
_VERSION: Final = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_MAILTO: Final = re.compile(r"mailto:[^@\s!]+@[^@\s!]+(?:![0-9]+[kmgt]?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record in force; `notes` are remarks about what is odd in it."""

    text: str
    p: Policy
    sp: Policy
    np: Policy
    adkim: str = "r"
    aspf: str = "r"
    psd: str = "u"
    testing: bool = False
    rua: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What the tree walk found for a domain.

    `at` is where the policy is, `organization` the organizational domain; without a record it
    is the domain itself.  `several` are names with more than one record, `failed` says why
    nobody knows.
    """

    record: DmarcRecord | None
    at: str
    organization: str
    several: tuple[str, ...] = ()
    failed: str = ""


def is_dmarc(text: str) -> bool:
    """Say whether a TXT record counts (section 4.10): the version comes first, in capitals."""
    return _VERSION.match(text) is not None


def read(text: str) -> DmarcRecord | None:
    """Return the record; None where it is as good as none (section 4.7).

    Without a `p` that can be read it counts as `p=none` where it asks for reports.

    >>> read("v=DMARC1; p=reject; sp=none").np
    'none'
    >>> read("v=DMARC1; p=maybe") is None
    True
    """
    if not is_dmarc(text):
        return None
    tags: dict[str, str] = {}
    notes = []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name, value = name.strip().lower(), value.strip()
        if not name and not equals:
            continue
        if name in tags:
            notes.append(f"{name}= stands twice; the first counts")
        elif name in REMOVED:
            notes.append(f"{name}= is no more since RFC 9989; take it out")
        elif name not in _KNOWN:
            notes.append(f"{name[:20]!r} is no tag of DMARC; it is ignored")
        elif name in _VALUES and value.lower() not in _VALUES[name]:
            notes.append(f"{name}={value[:20]} is none of {', '.join(_VALUES[name])}")
        else:
            tags[name] = value if name in {"v", "rua", "ruf"} else value.lower()
    return _record(text, tags, notes)


def _record(text: str, tags: dict[str, str], notes: list[str]) -> DmarcRecord | None:
    rua = tuple(uri.strip() for uri in tags.get("rua", "").split(",") if uri.strip())
    usable = [uri for uri in rua if _MAILTO.fullmatch(uri)]
    notes += [f"rua={uri[:60]} is no mailto: address" for uri in rua if uri not in usable]
    if "p" not in tags:
        if not usable:
            return None
        notes.append("there is no p= that can be read; it counts as p=none")
    p = _policy(tags.get("p", "none"))
    sp = _policy(tags.get("sp", p))
    return DmarcRecord(
        text=text,
        p=p,
        sp=sp,
        np=_policy(tags.get("np", sp)),
        adkim=tags.get("adkim", "r"),
        aspf=tags.get("aspf", "r"),
        psd=tags.get("psd", "u"),
        testing=tags.get("t") == "y",
        rua=tuple(usable),
        notes=tuple(notes),
    )


def _policy(text: str) -> Policy:
    return next(policy for policy in POLICIES if policy == text)


def walk(domain: str) -> list[str]:
    """Return the domains to ask, in order: at most eight (section 4.10).

    >>> walk("mail.example.org")
    ['mail.example.org', 'example.org', 'org']
    >>> len(walk("a.b.c.d.e.f.g.h.i.j.example.org"))
    8
    """
    labels = domain.lower().removesuffix(".").split(".")
    names = [".".join(labels)]
    labels = labels[-(WALK - 1) :] if len(labels) >= WALK else labels[1:]
    while labels:
        names.append(".".join(labels))
        labels = labels[1:]
    return names


async def find(domain: str, resolver: Resolver) -> Found:
    """Return the policy for mail from a domain, and its organizational domain."""
    records: dict[str, DmarcRecord] = {}
    several = []
    name = domain.lower().removesuffix(".")
    for asked in walk(name):
        lookup = await resolver.txt(f"_dmarc.{asked}")
        if lookup.verdict in {Verdict.FAILED, Verdict.TIMEOUT, Verdict.BOGUS}:
            return Found(None, name, name, failed=str(lookup))
        texts = [text for text in lookup.records if is_dmarc(text)]
        if len(texts) > 1:
            several.append(asked)
        record = read(texts[0]) if len(texts) == 1 else None
        if record is not None:
            records[asked] = record
            if record.psd in {"y", "n"}:
                break
    organization = _organization(name, records)
    at = next((place for place in (name, organization, *records) if place in records), name)
    return Found(records.get(at), at, organization, tuple(several))


def _organization(domain: str, records: dict[str, DmarcRecord]) -> str:
    """Return the organizational domain (section 4.10.2); `records` go from long to short."""
    for name, record in records.items():
        if record.psd == "n":
            return name
        if record.psd == "y" and name != domain:
            below = len(name.split(".")) + 1
            return ".".join(domain.split(".")[-below:])
    return list(records)[-1] if records else domain


def aligned(author: str, other: str, organizations: tuple[str, str], *, strict: bool) -> bool:
    """Say whether two domains belong together (section 4.10.3); `organizations` are theirs.

    >>> aligned("a.example.org", "example.org", ("example.org", "example.org"), strict=False)
    True
    """
    return author == other if strict else organizations[0] == organizations[1]
