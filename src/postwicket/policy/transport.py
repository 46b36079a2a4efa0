"""How safe a connection to an exchanger has to be: one pure function over all that is known.

`secure` weighs, in this order: REQUIRETLS (RFC 8689), DANE (RFC 7672), a rule that demands DANE,
MTA-STS in mode `enforce` (RFC 8461), the operator's other rules, and otherwise TLS where it can be
had.  What the recipient's domain publishes is never weakened by a rule; only the sender can do
that, with `TLS-Required: No` (RFC 8689, section 3).  The answer is a `Security`, or an `Answer`
that says why this exchanger may not be used.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import Final

from postwicket.core.reply import Reply
from postwicket.core.tls_verdict import TlsVerdict
from postwicket.smtp.client.answer import Answer, Stage
from postwicket.trust.dane import NO_DANE, Dane, DaneState, spelled
from postwicket.trust.lookup import TlsaRecord
from postwicket.trust.mta_sts import Mode, StsPolicy, allows


class Level(Enum):
    """What a connection needs; the value is what people read."""

    NONE = "clear text"
    OPPORTUNISTIC = "TLS if it can be had"
    ENCRYPT = "TLS"
    VERIFY = "TLS with a certificate for the right name"
    DANE = "TLS with a certificate that TLSA records name"


class Rule(Enum):
    """What the operator demands of a destination (`[[destination]] tls`)."""

    OPPORTUNISTIC = "opportunistic"
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    DANE = "dane"


@dataclass(frozen=True, slots=True)
class Published:
    """What a domain says about TLS, as TLS reports name it (RFC 8460, section 4.4).

    `kind` is `tlsa`, `sts` or `no-policy-found`; `lines` the records or the policy's lines;
    `mx` the patterns of an MTA-STS policy.
    """

    kind: str = "no-policy-found"
    lines: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


NOTHING_PUBLISHED: Final = Published()
REQUIRE_TLS: Final = "tls.require-tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What a connection to one exchanger needs.

    `names` are those of which the certificate must have one (A-labels); `server_name` is what the
    peer is told in the handshake (SNI), `domain` whose policy this is.  `clear_allowed`: mail
    may go in the clear where TLS does not come about.  `trial`: a certificate that does not
    verify is counted, and the mail goes all the same (MTA-STS in mode `testing`).
    `require_tls`: the peer has to offer REQUIRETLS, too.  `flaw` is what is wrong already,
    though nothing forbids the exchanger.  `because` says in words where this comes
    from, `until` when to decide anew (seconds since 1970).
    """

    level: Level
    server_name: str
    domain: str = ""
    names: tuple[str, ...] = ()
    tlsa: tuple[TlsaRecord, ...] = ()
    clear_allowed: bool = False
    trial: bool = False
    require_tls: bool = False
    flaw: TlsVerdict | None = None
    because: str = ""
    published: Published = NOTHING_PUBLISHED
    until: float = inf

    @property
    def verified(self) -> bool:
        """True where a session comes about only with the peer that is meant."""
        return self.level in {Level.VERIFY, Level.DANE}

    @property
    def demand(self) -> Hashable:
        """What connections are told apart by: shipments with the same demand share them."""
        return (
            self.level,
            self.server_name,
            self.names,
            self.tlsa,
            self.clear_allowed,
            self.trial,
            self.require_tls,
        )

    def otherwise(self, verdict: TlsVerdict = TlsVerdict.FAILED) -> Security | None:
        """Return what may be tried at once when TLS did not come about as it should; or None.

        `verdict` is what came about, and what goes on being counted.

        A trial goes on without verification, and what is opportunistic goes on in the clear
        (RFC 7435), once each.
        """
        if self.trial:
            return replace(self, level=Level.OPPORTUNISTIC, names=(), trial=False, flaw=verdict)
        if self.level is Level.OPPORTUNISTIC and self.clear_allowed:
            return replace(self, level=Level.NONE)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known about one exchanger of one domain, before it is connected to.

    `domain` is the recipient's, in A-labels, `exchanger` the name from its MX record, or the
    domain itself without one.  `secure_mx`: DNSSEC vouches for that name, or the operator wrote
    it down.  `sts` is the policy in force, `dane` what the exchanger's TLSA records say.
    `require_tls` and `tls_optional` are the sender's demands.
    """

    domain: str
    exchanger: str
    secure_mx: bool = False
    dane: Dane = NO_DANE
    sts: StsPolicy | None = None
    rule: Rule = Rule.OPPORTUNISTIC
    require_tls: bool = False
    tls_optional: bool = False


def secure(facts: Facts) -> Security | Answer:
    """Return what a connection to the exchanger needs, or why it may not be used.

    A temporary no is for now and for this exchanger; the one to REQUIRETLS is for good.
    """
    if facts.require_tls:
        return _required(facts)
    if facts.tls_optional:
        return _by_rule(facts, "the sender waives TLS (TLS-Required: No)")
    return _by_dane(facts) or _by_sts(facts) or _by_rule(facts)


def _required(facts: Facts) -> Security | Answer:
    """REQUIRETLS (RFC 8689, section 4.2.1): a name that is vouched for, and its certificate."""
    found = _by_dane(facts)
    if isinstance(found, Answer):
        return found
    if found is None or found.level is not Level.DANE:
        enforced = _by_sts(facts)
        if isinstance(enforced, Answer):
            return enforced
        listed = facts.sts is not None and allows(facts.sts, facts.exchanger)
        if not (facts.secure_mx or listed):
            why = f"neither DNSSEC nor MTA-STS vouches for {facts.exchanger}"
            return _no(Reply(550, (7, 30), f"REQUIRETLS support required: {why}", REQUIRE_TLS))
        found = _verified(facts, sts_published(facts.sts) if listed else NOTHING_PUBLISHED)
    return replace(found, require_tls=True, because=f"REQUIRETLS; {found.because}".rstrip("; "))


def _by_dane(facts: Facts) -> Security | Answer | None:
    dane = facts.dane
    published = dane_published(dane)
    match dane.state:
        case DaneState.NONE:
            if facts.rule is not Rule.DANE:
                return None
            return _no(_dane_needed(f"{facts.exchanger} has no TLSA records"))
        case DaneState.FAILED:
            text = f"The TLSA records of {facts.exchanger} cannot be looked up"
            return _no(Reply(451, (7, 4), text, "tls.dane-lookup"), dane.why)
        case DaneState.UNUSABLE:
            if facts.rule is Rule.DANE:
                return _no(_dane_needed(dane.why))
            enforced = _by_sts(facts)
            if isinstance(enforced, Answer) or (enforced and not enforced.clear_allowed):
                return enforced
            # RFC 7672, section 2.2: there is a wish for TLS in them, if nothing else.
            return Security(
                level=Level.VERIFY if facts.rule is Rule.VERIFY else Level.ENCRYPT,
                server_name=facts.exchanger,
                domain=facts.domain,
                names=(facts.exchanger,) if facts.rule is Rule.VERIFY else (),
                flaw=TlsVerdict.TLSA_INVALID,
                because=f"DANE: {dane.why}",
                published=published,
            )
        case DaneState.USABLE:
            return Security(
                level=Level.DANE,
                server_name=dane.base,
                domain=facts.domain,
                names=dane.names,
                tlsa=dane.records,
                because=f"DANE: secure TLSA records for {dane.base}",
                published=published,
            )


def _by_sts(facts: Facts) -> Security | Answer | None:
    policy = facts.sts
    if policy is None or policy.mode is Mode.NONE:
        return None
    listed = allows(policy, facts.exchanger)
    if policy.mode is Mode.ENFORCE:
        if not listed:
            text = f"{facts.exchanger} is not in the MTA-STS policy of {facts.domain}"
            return _no(Reply(451, (7, 4), text, "tls.mta-sts-mx"))
        return _verified(facts, sts_published(policy), f"MTA-STS of {facts.domain} (enforce)")
    if facts.rule is not Rule.OPPORTUNISTIC:
        return None
    trial = replace(
        _by_rule(facts, f"MTA-STS of {facts.domain} (testing)"),
        published=sts_published(policy),
    )
    if not listed:
        return replace(trial, flaw=TlsVerdict.FAILED)
    return replace(trial, level=Level.VERIFY, names=(facts.exchanger,), trial=True)


def _by_rule(facts: Facts, because: str = "") -> Security:
    match facts.rule:
        case Rule.VERIFY | Rule.DANE:  # DANE comes here only when the sender waives it
            return _verified(facts, NOTHING_PUBLISHED, "a rule for this destination: verify")
        case Rule.ENCRYPT:
            return Security(
                level=Level.ENCRYPT,
                server_name=facts.exchanger,
                domain=facts.domain,
                because="a rule for this destination: encrypt",
            )
        case Rule.OPPORTUNISTIC:
            return Security(
                level=Level.OPPORTUNISTIC,
                server_name=facts.exchanger,
                domain=facts.domain,
                clear_allowed=True,
                because=because,
            )


def _verified(facts: Facts, published: Published, because: str = "") -> Security:
    return Security(
        level=Level.VERIFY,
        server_name=facts.exchanger,
        domain=facts.domain,
        names=(facts.exchanger,),
        because=because,
        published=published,
    )


def dane_published(dane: Dane) -> Published:
    """Return TLSA records as TLS reports name them."""
    return Published("tlsa", tuple(spelled(record) for record in dane.records))


def sts_published(policy: StsPolicy | None) -> Published:
    """Return an MTA-STS policy as TLS reports name it."""
    return Published("sts", policy.lines, policy.mx) if policy else NOTHING_PUBLISHED


def _dane_needed(why: str) -> Reply:
    return Reply(451, (7, 4), f"A rule demands DANE: {why}", "tls.dane-needed")


def _no(reply: Reply, detail: str = "") -> Answer:
    return Answer(Stage.ROUTE, reply, detail=detail, ours=True)
