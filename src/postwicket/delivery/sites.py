"""Sites: what shares one limit, because the same machines are behind it.

Thousands of domains have their mail at the same exchangers; a limit for each domain would be no
limit.  A site is a rule of `sites.toml` that the preferred exchangers match, or else the set of
exchangers itself.  `[[destination]]` of the configuration goes before both.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from postwicket.config.sending import Destination as DestinationRule
from postwicket.policy.pace import Rule

IDLE: Final = 10.0  # seconds: other servers count a connection that does nothing as well
TABLE: Final = Path(__file__).with_name("sites.toml")
LONGEST_NAME: Final = 60  # characters
UNKNOWN: Final = Rule()  # of sites without a rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What shares a limit; `rule` is for the whole server, `idle` is seconds."""

    name: str
    rule: Rule = UNKNOWN
    idle: float = IDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One entry of the table."""

    site: Site
    exchangers: tuple[str, ...]
    source: str = ""
    why: str = ""


class Sites:
    """The table and the configuration's own rules, ready to be asked."""

    def __init__(self, rules: Sequence[DestinationRule] = (), *, workers: int = 1) -> None:
        self._own = [_Own(rule) for rule in rules if _limits(rule)]
        self._known = [(_any_of(known.exchangers), known.site) for known in table()]
        self._workers = workers

    def of(self, domain: str, exchangers: Sequence[tuple[int, str]]) -> Site:
        """Return the site of a domain with these exchangers (preference, name), as a worker's.

        Its limits are this worker's share.
        """
        site = self._site(domain, exchangers)
        return replace(site, rule=site.rule.share(self._workers))

    def _site(self, domain: str, exchangers: Sequence[tuple[int, str]]) -> Site:
        best = min((preference for preference, _ in exchangers), default=0)
        preferred = [name for preference, name in exchangers if preference == best]
        site = next(
            (site for pattern, site in self._known if all(map(pattern.fullmatch, preferred))),
            None,
        ) or Site(name=name_of([name for _, name in exchangers]))
        for own in self._own:
            if own.matches(domain, preferred):
                return own.applied_to(site)
        return site


class _Own:
    """One `[[destination]]` that says something about pace: a site of its own."""

    def __init__(self, rule: DestinationRule) -> None:
        self._rule = rule
        self._domains = _any_of(rule.domains)
        self._exchangers = _any_of(rule.exchangers)

    def matches(self, domain: str, preferred: Sequence[str]) -> bool:
        if self._rule.domains and not self._domains.fullmatch(domain):
            return False
        return not self._rule.exchangers or all(map(self._exchangers.fullmatch, preferred))

    def applied_to(self, site: Site) -> Site:
        rule, given = site.rule, self._rule
        patterns = given.domains or given.exchangers
        return Site(
            name=f"destination {','.join(patterns)}"[:LONGEST_NAME],
            rule=Rule(
                connections=given.connections or rule.connections,
                messages_per_connection=(
                    given.messages_per_connection or rule.messages_per_connection
                ),
                per_minute=given.messages_per_minute or rule.per_minute,
            ),
            idle=site.idle,
        )


def _limits(rule: DestinationRule) -> bool:
    return bool(rule.connections or rule.messages_per_connection or rule.messages_per_minute)


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs) or r"(?!)")


def name_of(exchangers: Iterable[str]) -> str:
    """Return a short name for a set of exchangers, the same in every process.

    >>> name_of(["mx2.example.net", "mx1.example.net"])
    'mx1.example.net,mx2.example.net'
    """
    names = sorted(set(exchangers))
    whole = ",".join(names)
    if len(whole) <= LONGEST_NAME:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:6]
    more = f"+{len(names) - 1}" if len(names) > 1 else ""
    return f"{names[0][: LONGEST_NAME - 12]}{more}~{mark}"


@cache
def table() -> tuple[Known, ...]:
    """Return the shipped table, in order."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["site"]
    return tuple(
        Known(
            site=Site(
                name=entry["name"],
                rule=Rule(
                    connections=entry["connections"],
                    messages_per_connection=entry["messages_per_connection"],
                    per_minute=entry.get("messages_per_minute"),
                ),
                idle=float(entry["idle"]),
            ),
            exchangers=tuple(entry["exchangers"]),
            source=entry["source"],
            why=" ".join(entry["why"].split()),
        )
        for entry in entries
    )
