"""As safe as the recipient asks: DANE and MTA-STS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from tests.e2e.authority import Pair
from tests.e2e.server import until

from . import misdeeds, tlsa
from .laboratory import Laboratory, Site
from .office import Office
from .policies import Certificate, policy
from .postfix import open_folder

WRONG = "3 1 1 " + "ab" * 32


@pytest.fixture(scope="module")
def office(laboratory: Laboratory) -> Iterator[Office]:
    """Return a server that tries once in an hour."""
    settings = laboratory.settings().replace('retry = ["1s"]', 'retry = ["1h"]')
    with open_folder("office") as folder:
        office = Office(folder, settings)
        try:
            yield office
            office.server.stop()
        finally:
            office.server.end()


def serving(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def encrypted(
    laboratory: Laboratory, name: str, *records: str, pair: Pair | None = None, **more: bool
) -> Site:
    """Make a domain whose exchanger has a certificate for its name, or the one that is given."""
    pair = pair or laboratory.authority.pair(name, f"mx.{name}.lab.example")
    offers = ("REQUIRETLS",) if more.get("require_tls") else ()
    return laboratory.misbehaving(name, misdeeds.polite(*offers, tls=serving(pair)), *records)


def trust(office: Office, recipient: str) -> tuple[str, str]:
    """Return TLS version and why the peer was trusted, of the only attempt."""
    (attempt,) = office.life(recipient)["attempts"]
    return attempt["tls"].split(" ")[0], attempt["trust"]


# --- DANE ---------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["dane", "dane-ta"])
def test_a_certificate_that_tlsa_names_is_trusted(
    laboratory: Laboratory, office: Office, domain: str
) -> None:
    assert laboratory.dane
    to = f"bob@{domain}.lab.example"
    office.post(to)
    assert office.told(to)["state"] == "delivered"
    version, why = trust(office, to)
    assert version == "TLSv1.3"
    assert "DANE" in why
    (mail,) = until(lambda: laboratory.dane.arrived(to))
    assert "with ESMTPS id" in mail.how


def test_another_certificate_than_tlsa_names_gets_nothing(
    laboratory: Laboratory, office: Office
) -> None:
    site = encrypted(laboratory, "dane-wrong", WRONG)
    office.post(site.address())
    told = office.told(site.address())
    assert (told["state"], told["cause"]) == ("deferred", "encryption")
    assert "TLSA" in told["reply"] or "DANE" in told["reply"]
    assert site.visits.count("MAIL") == 0


def test_tlsa_records_forbid_clear_text(laboratory: Laboratory, office: Office) -> None:
    site = laboratory.misbehaving("dane-clear", misdeeds.polite(), WRONG)
    office.post(site.address())
    told = office.told(site.address())
    assert (told["state"], told["cause"]) == ("deferred", "encryption")
    assert site.visits.count("MAIL") == 0


def test_unusable_tlsa_records_demand_encryption_and_no_name(
    laboratory: Laboratory, office: Office
) -> None:
    # RFC 7672, section 3.1.3: PKIX-EE is unusable; section 2.2: TLS is mandatory all the same.
    site = encrypted(laboratory, "dane-pkix", "1 1 1 " + "cd" * 32)
    office.post(site.address())
    assert office.told(site.address())["state"] == "delivered"
    assert trust(office, site.address())[0] == "TLSv1.3"


# --- MTA-STS ------------------------------------------------------------------------------


def test_an_enforced_policy_is_kept(laboratory: Laboratory, office: Office) -> None:
    site = encrypted(laboratory, "sts-good")
    laboratory.publish(site.domain, policy("enforce", "mx.sts-good.lab.example"))
    office.post(site.address())
    assert office.told(site.address())["state"] == "delivered"
    assert "MTA-STS" in trust(office, site.address())[1]
    assert laboratory.policies.asked(site.domain) >= 1


@pytest.mark.parametrize("mode", ["enforce", "testing", "none"])
def test_a_certificate_of_a_stranger(laboratory: Laboratory, office: Office, mode: str) -> None:
    name = f"sts-{mode}"
    pair = laboratory.stranger.pair(name, f"mx.{name}.lab.example")
    site = encrypted(laboratory, name, pair=pair)
    laboratory.publish(site.domain, policy(mode, f"mx.{name}.lab.example"))
    office.post(site.address())
    told = office.told(site.address())
    if mode == "enforce":
        assert (told["state"], told["cause"]) == ("deferred", "encryption")
        assert site.visits.count("MAIL") == 0
    else:
        assert told["state"] == "delivered"
        assert trust(office, site.address())[0] == "TLSv1.3"


def test_an_enforced_policy_forbids_clear_text(laboratory: Laboratory, office: Office) -> None:
    site = laboratory.misbehaving("sts-clear", misdeeds.polite())
    laboratory.publish(site.domain, policy("enforce", "mx.sts-clear.lab.example"))
    office.post(site.address())
    told = office.told(site.address())
    assert (told["state"], told["cause"]) == ("deferred", "encryption")
    assert site.visits.count("MAIL") == 0


def test_an_exchanger_that_the_policy_does_not_name_gets_nothing(
    laboratory: Laboratory, office: Office
) -> None:
    site = encrypted(laboratory, "sts-other")
    laboratory.publish(site.domain, policy("enforce", "*.elsewhere.example"))
    office.post(site.address())
    assert office.told(site.address())["state"] == "deferred"
    assert site.visits.connections == 0


@pytest.mark.parametrize("certificate", ["other-name", "ended", "unknown-authority"])
def test_a_policy_that_nobody_vouches_for_is_none(
    laboratory: Laboratory, office: Office, certificate: Certificate
) -> None:
    # RFC 8461, section 5.1: without a policy that was ever seen, mail goes out as if there were
    # none.
    site = laboratory.misbehaving(f"sts-{certificate}", misdeeds.polite())
    text = policy("enforce", f"mx.sts-{certificate}.lab.example")
    laboratory.publish(site.domain, text, certificate=certificate)
    office.post(site.address())
    assert office.told(site.address())["state"] == "delivered"


def test_dane_counts_for_more_than_mta_sts(laboratory: Laboratory, office: Office) -> None:
    # RFC 8461, section 2: the policy must not be used to get around DANE.
    pair = laboratory.stranger.pair("both", "somebody.else.example")
    site = encrypted(laboratory, "both", tlsa.end_entity(pair.certificate), pair=pair)
    laboratory.publish(site.domain, policy("enforce", "mx.both.lab.example"))
    office.post(site.address())
    assert office.told(site.address())["state"] == "delivered"
    assert "DANE" in trust(office, site.address())[1]
