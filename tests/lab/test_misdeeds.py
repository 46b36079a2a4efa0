"""What becomes of mail for receivers that do what no receiver should: the table of outcomes.

One message goes to each of them at the same time, and one to a receiver that does nothing wrong:
whatever they do costs their own mail some time, and nobody else anything.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Final

import pytest

from bench.measure import memory

from . import misdeeds
from .hostile import Misdeed
from .laboratory import Laboratory, Site
from .office import Office
from .postfix import open_folder

# Seconds; short enough for a test, and long enough for a machine that is busy.
PATIENCE: Final = 3
DELIVERY: Final = f"""\
connect_timeout = "{PATIENCE}s"
command_timeout = "{PATIENCE}s"
data_timeout = "{PATIENCE}s"
"""
LARGE: Final = 20_000_000  # octets: more than the kernel takes for us
MOST_MEMORY: Final = 400_000_000
NONSENSE: Final = "850 NONSENSE"

# For each misdeed: the state after one attempt, the cause, and words that say what happened.
OUTCOMES: Final[dict[str, tuple[Misdeed, str, str, str]]] = {
    "polite": (misdeeds.polite(), "delivered", "", "250 2.0.0 taken"),
    # Nothing but our own reading depends on how its lines end.
    "bare-lf": (misdeeds.bare_line_feeds, "delivered", "", "250 2.0.0 taken"),
    # The connection ends where a reply was due.  Only behind the dot does nobody know.
    "no-greeting": (misdeeds.hangs_up("greeting"), "deferred", "network", "greeting"),
    "no-ehlo": (misdeeds.hangs_up("EHLO"), "deferred", "network", "EHLO"),
    "no-mail": (misdeeds.hangs_up("MAIL"), "deferred", "network", "MAIL"),
    "no-rcpt": (misdeeds.hangs_up("RCPT"), "deferred", "network", "RCPT"),
    "no-data": (misdeeds.hangs_up("DATA"), "deferred", "network", "DATA"),
    "no-final": (misdeeds.hangs_up("."), "uncertain", "network", "may have been delivered"),
    # It says goodbye, as it may: not taken, and tried again.
    "421-greeting": (misdeeds.goes_away("greeting"), "deferred", "server", "421 4.3.2"),
    "421-ehlo": (misdeeds.goes_away("EHLO"), "deferred", "server", "421 4.3.2"),
    "421-mail": (misdeeds.goes_away("MAIL"), "deferred", "server", "421 4.3.2"),
    "421-rcpt": (misdeeds.goes_away("RCPT"), "deferred", "server", "421 4.3.2"),
    "421-data": (misdeeds.goes_away("DATA"), "deferred", "server", "421 4.3.2"),
    "421-final": (misdeeds.goes_away("."), "deferred", "server", "421 4.3.2"),
    # What is no reply means nothing, also behind the dot.
    "850-greeting": (misdeeds.says("greeting", NONSENSE), "deferred", "protocol", "greeting"),
    "850-mail": (misdeeds.says("MAIL", NONSENSE), "deferred", "protocol", "MAIL"),
    "850-rcpt": (misdeeds.says("RCPT", NONSENSE), "deferred", "protocol", "RCPT"),
    "850-data": (misdeeds.says("DATA", NONSENSE), "deferred", "protocol", "DATA"),
    "850-final": (misdeeds.says(".", NONSENSE), "uncertain", "protocol", "may have been"),
    "250-data": (misdeeds.takes_without_354, "deferred", "protocol", "DATA"),
    # Refused for now and for good, where it counts.
    "4xx-final": (misdeeds.says(".", "452 4.3.1 no room"), "deferred", "server", "452"),
    "5xx-final": (misdeeds.says(".", "554 5.6.0 not this"), "failed", "content", "554"),
    # A host that refuses everybody is mended some day: nobody's mail fails because of it.
    "554-greeting": (misdeeds.says("greeting", "554 no service"), "deferred", "policy", "554"),
    # Replies that cannot be read.
    "endless-reply": (misdeeds.endless_reply, "deferred", "protocol", "EHLO"),
    "endless-line": (misdeeds.endless_line, "deferred", "protocol", "greeting"),
    "huge-banner": (misdeeds.huge_banner, "deferred", "protocol", "greeting"),
    "too-much": (misdeeds.says_too_much, "deferred", "protocol", ""),
    # Those that take their time get the time of one reply, not of one octet.
    "octets": (misdeeds.octet_by_octet, "deferred", "network", "greeting"),
    "silence": (misdeeds.never_greets, "deferred", "network", "greeting"),
    "lines": (misdeeds.line_by_line, "uncertain", "network", "may have been delivered"),
    # TLS that is offered and does not work: without a policy that asks for it, in clear text.
    "tls-garbage": (misdeeds.garbage_for_tls, "delivered", "", "250"),
    "tls-stall": (misdeeds.stalls_tls, "delivered", "", "250"),
    "tls-refused": (misdeeds.refuses_tls, "delivered", "", "250"),
    # Somebody sits between, or the server lets others speak for it: not even then.
    "tls-injection": (misdeeds.injects_behind_starttls, "deferred", "protocol", "STARTTLS"),
}


@pytest.fixture(scope="module")
def office(laboratory: Laboratory) -> Iterator[Office]:
    """Return a server that tries once in an hour."""
    settings = laboratory.settings(delivery=DELIVERY).replace('retry = ["1s"]', 'retry = ["1h"]')
    with open_folder("office") as folder:
        office = Office(folder, settings)
        try:
            yield office
            office.server.stop()
        finally:
            office.server.end()


@pytest.fixture(scope="module")
def sites(laboratory: Laboratory, office: Office) -> dict[str, Site]:
    """Return the misbehaving domains, to each of which a message is under way."""
    sites = {
        name: laboratory.misbehaving(name, misdeed) for name, (misdeed, *_) in OUTCOMES.items()
    }
    office.post_all([(site.address(),) for site in sites.values()])
    return sites


@pytest.mark.parametrize("name", OUTCOMES)
def test_one_attempt(office: Office, sites: dict[str, Site], name: str) -> None:
    _, state, cause, words = OUTCOMES[name]
    told = office.told(sites[name].address())
    said = f"{told.get('why', '')} {told['reply']}"
    assert (told["state"], told.get("cause", "")) == (state, cause), said
    assert words in said
    assert len(sites[name].visits.whole) <= 1


def test_each_recipient_has_an_answer_of_its_own(laboratory: Laboratory, office: Office) -> None:
    site = laboratory.misbehaving("picks", misdeeds.picks_recipients)
    people = {name: site.address(name) for name in ("bob", "gone", "full", "carl")}
    office.post(*people.values())
    rows = {name: office.told(address) for name, address in people.items()}
    assert {name: row["state"] for name, row in rows.items()} == {
        "bob": "delivered",
        "carl": "delivered",
        "gone": "failed",
        "full": "deferred",
    }
    assert rows["gone"]["cause"] == rows["full"]["cause"] == "recipient"
    assert sorted(mail.recipient for mail in site.visits.whole) == sorted(
        [people["bob"], people["carl"]]
    )


def test_tls_without_a_policy_is_better_than_none(laboratory: Laboratory, office: Office) -> None:
    # A certificate of nobody we know, for another name: it keeps those out who only listen.
    pair = laboratory.stranger.pair("unknown", "other.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    site = laboratory.misbehaving("unknown-certificate", misdeeds.polite(tls=context))
    office.post(site.address())
    assert office.told(site.address())["state"] == "delivered"
    (attempt,) = office.life(site.address())["attempts"]
    assert attempt["tls"].startswith("TLSv1.3")
    assert attempt["trust"] == ""


def test_nobody_else_waits_and_nothing_grows(
    laboratory: Laboratory, office: Office, sites: dict[str, Site]
) -> None:
    assert laboratory.plain
    site = laboratory.misbehaving("never-reads", misdeeds.never_reads_the_message)
    office.post(site.address(), content=_large(LARGE))
    office.post("after@plain.lab.example")
    assert office.told("after@plain.lab.example")["state"] == "delivered"
    assert not office.server.events("settled", recipient=site.address())
    told = office.told(site.address())
    assert (told["state"], told["cause"]) == ("deferred", "network"), told
    # Of the millions of octets that some of them sent, nothing is kept.
    assert office.server.process is not None
    assert memory(office.server.process.pid).pss < MOST_MEMORY
    assert len(sites) == len(OUTCOMES)


def _large(size: int) -> bytes:
    head = b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: large\r\n\r\n"
    return head + (b"x" * 70 + b"\r\n") * (size // 72)
