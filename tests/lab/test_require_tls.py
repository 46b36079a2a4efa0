"""What the sender demands of TLS, from its own session to the exchanger (RFC 8689)."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from tests.e2e.server import HOST, PATIENCE, until
from tests.e2e.talk import MAIL, session

from . import tlsa
from .laboratory import Laboratory
from .office import Office
from .postfix import open_folder
from .test_encryption import WRONG, encrypted


@pytest.fixture(scope="module")
def office(laboratory: Laboratory) -> Iterator[Office]:
    """Return a server that tries once in an hour."""
    settings = laboratory.settings().replace('retry = ["1s"]', 'retry = ["1h"]')
    with open_folder("demanding") as folder:
        office = Office(folder, settings)
        try:
            yield office
            office.server.stop()
        finally:
            office.server.end()


def demand(office: Office, recipient: str) -> None:
    """Hand a message in that may only go over TLS, and that is to come back whole."""
    with session(office.server, office.ann) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("requiretls")
        code, words = smtp.mail("ann@example.org", ["REQUIRETLS", "RET=FULL"])
        assert code == 250, words
        assert smtp.rcpt(recipient)[0] == 250
        assert smtp.data(MAIL)[0] == 250


def test_it_is_offered_within_tls_only(office: Office) -> None:
    with smtplib.SMTP(HOST, office.server.port("starttls"), timeout=PATIENCE) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("requiretls")


def test_it_goes_on_to_an_exchanger_that_is_vouched_for_and_offers_it(
    laboratory: Laboratory, office: Office
) -> None:
    pair = laboratory.authority.pair("demanded", "mx.demanded.lab.example")
    record = tlsa.end_entity(pair.certificate)
    site = encrypted(laboratory, "demanded", record, pair=pair, require_tls=True)
    demand(office, site.address())
    assert office.told(site.address())["state"] == "delivered"
    (mail,) = [line for line in site.visits.commands if line.startswith("MAIL")]
    assert "REQUIRETLS" in mail.split()
    (attempt,) = office.life(site.address())["attempts"]
    assert "DANE (3 1 1)" in attempt["trust"]


def test_it_fails_where_the_exchanger_does_not_offer_it(
    laboratory: Laboratory, office: Office
) -> None:
    pair = laboratory.authority.pair("refused", "mx.refused.lab.example")
    site = encrypted(laboratory, "refused", tlsa.end_entity(pair.certificate), pair=pair)
    demand(office, site.address())
    told = office.told(site.address())
    assert (told["state"], told["cause"]) == ("failed", "encryption")
    assert "550 5.7.30" in told["reply"]
    assert site.visits.count("MAIL") == 0
    notice = until(lambda: [one for one in office.server.inbox() if one["sender"] == ""])[0]
    source = office.server.source(notice["id"])
    assert b"5.7.30" in source
    assert b"It works." not in source


def test_what_is_waived_goes_where_dane_forbids_it(laboratory: Laboratory, office: Office) -> None:
    site = encrypted(laboratory, "waived", WRONG)
    office.post(site.address(), content=b"TLS-Required: No\r\n" + MAIL)
    assert office.told(site.address())["state"] == "delivered"
    assert site.visits.count("STARTTLS") == 1
