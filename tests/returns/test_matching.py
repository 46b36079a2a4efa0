"""Which delivery is meant: told for certain, or not at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.address import Address
from postwicket.core.envelope import Recipient
from postwicket.core.queue_id import spell
from postwicket.message.comeback import Comeback, read_comeback
from postwicket.message.delivery_status import Fate
from postwicket.message.report import Action
from postwicket.returns.matching import (
    by_delivery,
    is_personal,
    number_of,
    recipient_of,
    sealed_reference,
    written_reference,
)
from postwicket.trust.return_path import Purpose, Returned
from tests.returns.letters import HOSTNAME, NOW, PATHS, letter

THREE = letter("bob@example.com", "eve@example.com", "Zoë@example.com")


def several(first: int = 1) -> Returned:
    return Returned(Purpose.BOUNCE, THREE.id, first=first)


def test_the_return_path_knows_best() -> None:
    assert number_of(THREE, Returned(Purpose.BOUNCE, THREE.id, 2), ["bob@example.com"]) == 2


def test_nobody_speaks_for_those_of_another_domain() -> None:
    """Who got the same message cannot make others of its recipients undeliverable."""
    four = letter("bob@example.com", "eve@example.com", "ann@example.net", "zoe@example.net")
    there = Returned(Purpose.BOUNCE, four.id, first=3)
    assert number_of(four, there, ["zoe@example.net"]) == 4
    assert number_of(four, there, ["bob@example.com"]) == 0
    nothing_known = Returned(Purpose.BOUNCE, four.id)
    assert number_of(four, nothing_known, ["zoe@example.net"]) == 0


def test_addresses_are_compared_as_mailboxes() -> None:
    assert number_of(THREE, several(), ["", "EVE@Example.COM"]) == 2
    assert number_of(THREE, several(3), ["zoë@example.com"]) == 3
    assert number_of(THREE, several(), ["mallory@example.com", "not an address"]) == 0


def test_the_address_that_the_sender_first_had_counts() -> None:
    forwarded = Recipient(Address.parse("bob@example.com"), orcpt="rfc822;robert+2Bx@example.net")
    assert (
        number_of(letter("eve@example.com", forwarded), several(), ["robert+x@example.net"]) == 2
    )


def test_a_single_recipient_is_meant_wherever_it_was_forwarded_to() -> None:
    assert number_of(letter(), several(0), ["robert@elsewhere.example"]) == 1


def test_a_number_beyond_the_recipients_is_nobody() -> None:
    assert number_of(THREE, Returned(Purpose.BOUNCE, THREE.id, 9)) == 0
    assert recipient_of(THREE, 9) is None
    assert recipient_of(THREE, 0) is None


def test_fates_are_sorted_by_delivery() -> None:
    fates = [
        Fate(action=Action.FAILED, final=f"{name}@example.com") for name in ("eve", "x", "bob")
    ]
    sorted_out = by_delivery(THREE, several(), fates)
    assert {number: [fate.final for fate in some] for number, some in sorted_out.items()} == {
        2: ["eve@example.com"],
        0: ["x@example.com"],
        1: ["bob@example.com"],
    }


def test_only_a_seal_that_one_recipient_has_is_personal() -> None:
    assert is_personal(THREE, Returned(Purpose.BOUNCE, THREE.id, 2))
    assert is_personal(letter(), Returned(Purpose.BOUNCE, THREE.id))
    assert not is_personal(THREE, Returned(Purpose.BOUNCE, THREE.id, first=1))
    assert not is_personal(letter(), None)


def complaint(returned: str, said: str = "") -> Comeback:
    return read_comeback(
        (
            "From: fbl@provider.example\n"
            "Content-Type: multipart/report; report-type=feedback-report; boundary=p\n\n"
            f"--p\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n{said}\n"
            f"--p\nContent-Type: message/rfc822\n\n{returned}\n\n--p--\n"
        ).encode()
    )


def test_a_seal_is_found_where_our_messages_carry_it() -> None:
    path = PATHS.mint(THREE.id, 2)
    link = PATHS.token(THREE.id, 2, Purpose.UNSUBSCRIBE)
    expected = Returned(Purpose.BOUNCE, THREE.id, 2)
    for report in (
        complaint("Subject: tea", f"Original-Mail-From: <{path}>\n"),
        complaint(f"Return-Path: <{str(path).upper()}>"),
        complaint(f"List-Unsubscribe: <https://mail.example.org/unsubscribe/{link}>"),
    ):
        assert sealed_reference(report, PATHS, now=NOW) == expected


def test_a_seal_in_the_wrong_place_or_forged_is_none() -> None:
    path = PATHS.mint(THREE.id, 2)
    assert sealed_reference(complaint(f"Subject: {path}"), PATHS, now=NOW) is None
    forged = "b-" + "a" * 32
    assert sealed_reference(complaint(f"Return-Path: <{forged}@x>"), PATHS, now=NOW) is None


def test_what_we_wrote_on_top_names_the_message() -> None:
    ours = (
        f"Received: from app by {HOSTNAME} with ESMTPSA\n\t(TLSv1.3) id {spell(THREE.id)};\n date"
    )
    report = complaint(f"{ours}\nMessage-ID: <one@app.example.org>")
    assert written_reference(report, HOSTNAME) == (THREE.id, "one@app.example.org")
    assert written_reference(complaint(ours), HOSTNAME) is None, "without a Message-ID"
    assert written_reference(report, "mail.example.net") is None


@given(st.text(max_size=200))
def test_any_address_text_can_be_asked_for(text: str) -> None:
    assert number_of(THREE, several(), [text]) in range(4)
