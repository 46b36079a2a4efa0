"""Certificates of every kind on real sockets, and what DANE, MTA-STS and rules make of them."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from postwicket.core.envelope import Demands
from postwicket.net.certificates import server_context
from postwicket.trust.dane import spelled
from postwicket.trust.lookup import TlsaRecord, Verdict
from postwicket.trust.mta_sts import read_policy
from postwicket.trust.mta_sts_cache import Kept, PolicyFiles
from tests.trust.chains import Made, make

from .names import Names, direct
from .peer import OFFERS, Peer, Script
from .world import World, run, world

MX = "mx.example.com"
ROOT = make("root", ca=True)
MIDDLE = make("middle", ROOT, ca=True)
GOOD = make("good", MIDDLE, names=(MX,))
WILD = make("wild", MIDDLE, names=("*.example.com",))
WRONG = make("wrong", MIDDLE, names=("other.example.org",))
EXPIRED = make("expired", MIDDLE, names=(MX,), days=(-9, -5))
ALONE = make("alone", names=(MX,))
OTHER = make("other", ca=True)
NO_STARTTLS = Script()
REQUIRED = Demands(require_tls=True)
WAIVED = Demands(tls_optional=True)


@pytest.fixture(scope="module")
def context_of() -> Iterator[Callable[[Made], ssl.SSLContext]]:
    """Make server contexts."""
    with TemporaryDirectory() as folder:

        def context(made: Made) -> ssl.SSLContext:
            return server_context(*made.write(Path(folder)))

        yield context


class Place:
    """An exchanger of example.com, what is published about it, and what came of a message."""

    def __init__(self, folder: Path, script: Script) -> None:
        self.folder = folder
        self.script = script
        self.names = Names(records={})
        self.delivery: dict[str, object] = {"ca": str(self._ca()), "dnssec": True}
        self.rule = "opportunistic"
        self.hosts: tuple[dict[str, str], ...] = ()  # [[host]] entries
        self.records: tuple[TlsaRecord, ...] | Verdict = ()
        self.tls = ""
        self.trust = ""
        self.mails: list[str] = []

    def _ca(self) -> Path:
        ROOT.write(self.folder, "ca")
        return self.folder / "ca.pem"

    def publish(self, mode: str, mx: str = MX) -> None:
        """Put an MTA-STS policy into the cache of this process."""
        content = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n".encode()
        kept = Kept("1", read_policy(content), 4e9, content)
        PolicyFiles(self.folder / "mta-sts").write("example.com", kept)
        self.names.records["_mta-sts.example.com TXT"] = "v=STSv1; id=1"

    async def send(self, demands: Demands = Demands()) -> str:  # noqa: B008 - a frozen value
        """Send a message; return its state, or the state and why it waits."""
        async with Peer(self.script).listening() as peer:
            self.names.domains["example.com"] = [(MX, 10, peer.port)]
            key = f"_{peer.port}._tcp.{MX} TLSA"
            if isinstance(self.records, Verdict):
                self.names.records[key] = self.records
            elif self.records:
                said = "; ".join(spelled(record) for record in self.records)
                self.names.records[key] = f"{said} secure"
            rules = ({"domains": ("example.com",), "tls": self.rule},)
            settings = direct(
                destination=rules, delivery=self.delivery, data=str(self.folder), host=self.hosts
            )
            async with world(settings, self.names.guide(settings)) as here:
                sent = here.post("bob@example.com", demands=demands)
                found = await self._outcome(here, sent)
            self.mails = [line for line in peer.commands if line.startswith("MAIL")]
            assert bool(peer.got) is found.startswith("delivered")
            return found

    async def _outcome(self, here: World, sent: object) -> str:
        await here.until(lambda: here.memory.of(sent)[0].attempts)  # type: ignore[arg-type]
        kept = here.memory.of(sent)[0]  # type: ignore[arg-type]
        attempt = kept.attempts[0]
        self.tls, self.trust = attempt.tls, attempt.trust
        state = kept.delivery.state.value
        return state if state == "delivered" else f"{state} {kept.cause}: {attempt.reply}"

    @property
    def counted(self) -> list[str]:
        """What was counted: policy and result."""
        return [f"{one.policy_type} {one.result}" for one in self.names.results]


@pytest.fixture
def place(tmp_path: Path, context_of: Callable[[Made], ssl.SSLContext]) -> Callable[..., Place]:
    """Make a place whose exchanger has a certificate, or no TLS at all."""

    def make_place(made: Made | None, *offers: str) -> Place:
        if made is None:
            return Place(tmp_path, Script())
        context = context_of(made)
        return Place(tmp_path, Script(offers=(*OFFERS, "STARTTLS", *offers), tls=context))

    return make_place


Places = Callable[..., Place]


@pytest.mark.parametrize(
    ("made", "records", "words"),
    [
        (ALONE, (ALONE.tlsa(3, 1, 1),), "verified by DANE (3 1 1)"),
        (EXPIRED, (EXPIRED.tlsa(3, 0, 2),), "verified by DANE (3 0 2)"),
        (WRONG, (WRONG.tlsa(3, 1, 0),), "verified by DANE (3 1 0)"),
        (GOOD, (ROOT.tlsa(2, 0, 1),), "verified by DANE (2 0 1)"),
        (GOOD, (MIDDLE.tlsa(2, 1, 1),), "verified by DANE (2 1 1)"),
        (WILD, (OTHER.tlsa(3, 1, 1), ROOT.tlsa(2, 1, 2)), "verified by DANE (2 1 2)"),
        (replace(GOOD, above=()), (MIDDLE.tlsa(2, 0, 0),), "verified by DANE (2 0 0)"),
        (ALONE, (TlsaRecord(1, 1, 1, b"x" * 32),), "(certificate not verified)"),
    ],
)
def test_dane_lets_mail_go(
    place: Places, made: Made, records: tuple[TlsaRecord, ...], words: str
) -> None:
    async def test() -> None:
        here = place(made)
        here.names.secure, here.records = True, records
        assert await here.send() == "delivered"
        assert here.tls.startswith("TLSv1.3 TLS_")
        assert here.trust == ("" if "not verified" in words else words)
        assert here.tls.endswith("(certificate not verified)") is ("not verified" in words)
        assert here.counted == [
            "tlsa success" if "DANE" in words else "tlsa tlsa-invalid",
        ]

    run(test())


@pytest.mark.parametrize(
    ("made", "records", "result"),
    [
        (ALONE, (OTHER.tlsa(3, 1, 1),), "validation-failure"),
        (GOOD, (OTHER.tlsa(2, 0, 1),), "certificate-not-trusted"),
        (WRONG, (ROOT.tlsa(2, 0, 1),), "certificate-host-mismatch"),
        (EXPIRED, (ROOT.tlsa(2, 0, 1),), "certificate-expired"),
        (None, (OTHER.tlsa(3, 1, 1),), "starttls-not-supported"),
        (None, (TlsaRecord(1, 1, 1, b"x" * 32),), "starttls-not-supported"),
        (GOOD, Verdict.FAILED, "tlsa-invalid"),
        (GOOD, Verdict.BOGUS, "dnssec-invalid"),
    ],
)
def test_dane_keeps_mail_back(
    place: Places, made: Made | None, records: tuple[TlsaRecord, ...] | Verdict, result: str
) -> None:
    async def test() -> None:
        here = place(made)
        here.names.secure, here.records = True, records
        assert (await here.send()).startswith("deferred encryption")
        assert here.mails == []
        assert here.counted == [f"tlsa {result}"]

    run(test())


def test_dane_counts_only_where_dns_is_to_be_believed(place: Places) -> None:
    async def test() -> None:
        here = place(ALONE)
        here.records = (OTHER.tlsa(3, 1, 1),)
        assert await here.send() == "delivered"
        here = place(ALONE)
        here.names.secure, here.records = True, (OTHER.tlsa(3, 1, 1),)
        here.delivery["dnssec"] = False
        assert await here.send() == "delivered"

    run(test())


@pytest.mark.parametrize("mode", ["enforce", "testing"])
@pytest.mark.parametrize(
    ("made", "mx", "result"),
    [
        (GOOD, MX, "success"),
        (WILD, "*.example.com", "success"),
        (WRONG, MX, "certificate-host-mismatch"),
        (EXPIRED, MX, "certificate-expired"),
        (ALONE, MX, "certificate-not-trusted"),
        (GOOD, "mx.example.org", "validation-failure"),
        (None, MX, "starttls-not-supported"),
    ],
)
def test_mta_sts(place: Places, made: Made | None, mx: str, result: str, mode: str) -> None:
    async def test() -> None:
        here = place(made)
        here.publish(mode, mx)
        found = await here.send()
        assert here.counted[0] == f"sts {result}"
        if mode == "testing":
            assert found == "delivered"
        elif result == "success":
            assert found == "delivered"
            assert here.trust == f"verified for {MX} by MTA-STS"
        else:
            assert found.startswith("deferred encryption")
            assert here.mails == []

    run(test())


@pytest.mark.parametrize(
    ("rule", "made", "delivered"),
    [
        ("opportunistic", ALONE, True),
        ("opportunistic", None, True),
        ("encrypt", ALONE, True),
        ("encrypt", None, False),
        ("verify", GOOD, True),
        ("verify", ALONE, False),
        ("verify", WRONG, False),
        ("verify", None, False),
        ("dane", GOOD, False),
    ],
)
def test_rules(place: Places, rule: str, made: Made | None, *, delivered: bool) -> None:
    async def test() -> None:
        here = place(made)
        here.rule = rule
        assert (await here.send() == "delivered") is delivered

    run(test())


def test_what_the_sender_waives_is_not_asked_for(place: Places) -> None:
    async def test() -> None:
        here = place(ALONE)
        here.publish("enforce", "mx.example.org")
        here.names.secure, here.records = True, (OTHER.tlsa(3, 1, 1),)
        assert await here.send(WAIVED) == "delivered"
        assert here.tls.startswith("TLSv1.3")

    run(test())


def test_require_tls_goes_on_with_the_mail(place: Places) -> None:
    async def test() -> None:
        here = place(GOOD, "REQUIRETLS")
        here.publish("enforce")
        assert await here.send(REQUIRED) == "delivered"
        (line,) = here.mails
        assert line.split()[-1] == "REQUIRETLS"

    run(test())


@pytest.mark.parametrize(
    ("made", "offers", "vouched", "outcome"),
    [
        (GOOD, (), True, "failed encryption: 550 5.7.30"),
        (GOOD, ("REQUIRETLS",), False, "failed encryption: 550 5.7.30"),
        (ALONE, ("REQUIRETLS",), True, "deferred encryption"),
        (None, (), True, "deferred encryption"),
    ],
)
def test_require_tls_sends_nothing_where_it_is_not_kept(
    place: Places, made: Made | None, offers: tuple[str, ...], outcome: str, *, vouched: bool
) -> None:
    async def test() -> None:
        here = place(made, *offers)
        if vouched:
            here.publish("enforce")
        assert (await here.send(REQUIRED)).startswith(outcome)
        assert here.mails == []

    run(test())


def test_mail_that_demands_nothing_does_not_mention_it(place: Places) -> None:
    async def test() -> None:
        here = place(GOOD, "REQUIRETLS")
        assert await here.send() == "delivered"
        assert "REQUIRETLS" not in here.mails[0]

    run(test())


def test_the_kept_policy_is_json(tmp_path: Path) -> None:
    Place(tmp_path, NO_STARTTLS).publish("enforce")
    (file,) = (tmp_path / "mta-sts").iterdir()
    assert json.loads(file.read_text())["domain"] == "example.com"


def test_a_policy_is_not_about_hosts_that_the_operator_named(place: Places) -> None:
    async def test() -> None:
        here = place(ALONE)
        here.publish("enforce")
        assert (await here.send()).startswith("deferred encryption")
        here.hosts = ({"name": "example.com", "address": "127.0.0.1"},)
        assert await here.send() == "delivered"
        here.rule = "verify"
        assert (await here.send()).startswith("deferred encryption")

    run(test())
