"""The catalogue: every example is read as its own entry, and Gmail's codes are all there."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.reply import Reply, parse_reply
from postwicket.core.state import State
from postwicket.diagnosis.catalogue import BadEntry, catalogue, read_catalogue
from postwicket.policy.outcome import Patience, judge
from postwicket.policy.reading import Example, Permanence, Reading, Who
from postwicket.policy.scope import Scope
from postwicket.smtp.client.answer import Answer, Stage, Trouble

CATALOGUE = catalogue()
EXAMPLES = [
    pytest.param(reading, example, id=f"{reading.id}-{number}")
    for reading in CATALOGUE.readings
    for number, example in enumerate(reading.examples)
]


def heard(reply: str, stage: Stage = Stage.RCPT) -> Answer:
    """Read a reply as it is written on the page: `550-5.1.1 text` is its first line."""
    code, _, text = (reply[:3], reply[3], reply[4:])
    return Answer(stage, parse_reply([f"{code} {text}"]))


@pytest.mark.parametrize(("reading", "example"), EXAMPLES)
def test_every_example_is_read_as_its_entry(reading: Reading, example: Example) -> None:
    host = CATALOGUE.providers[reading.provider].hosts[0] if reading.provider else "mx.example"
    found = CATALOGUE.read(heard(example.reply, example.stage), f"{host}[192.0.2.25]:25")
    assert found is not None
    assert found.id == reading.id


def test_every_entry_says_everything() -> None:
    for reading in CATALOGUE.readings:
        assert reading.examples, reading.id
        assert reading.meaning.endswith("."), reading.id
        assert reading.fix.endswith("."), reading.id
        assert reading.source, reading.id
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", reading.date), reading.id
        assert re.fullmatch(r"[a-z]+\.[a-z0-9-]+", reading.id), reading.id
        if reading.permanence is Permanence.LATER:
            assert reading.pause <= 4 * 3600, reading.id


def test_who_waits_for_nobody_does_not_fail() -> None:
    """Where nobody has to do anything, the mail has to go on by itself."""
    for reading in CATALOGUE.readings:
        if reading.who is Who.WAIT and reading.sign.phrases:
            assert reading.permanence is Permanence.LATER, reading.id


# Every code and enhanced status that Google documents (1 the page of 2026-02-12 and its older
# versions, 2 the sender FAQ), without the x.0 forms that only the page prints.
DOCUMENTED = """
421 4.3.0 4.4.5 4.7.0 4.7.26 4.7.27 4.7.28 4.7.29 4.7.30 4.7.31 4.7.32 4.7.40 5.7.32
450 4.2.1
451 4.3.0 4.4.2 4.5.0 4.7.23 4.7.24 4.7.26
452 4.2.2 4.5.3
454 4.5.0 4.7.0 5.5.1
501 5.5.2 5.5.4 5.7.11
502 5.5.1
503 5.5.1 5.7.0
504 5.7.4 5.7.40
523 5.7.10
530 5.5.1 5.7.0
534 5.7.9 5.7.14 5.7.90
535 5.5.4 5.7.1 5.7.8 5.7.80
550 5.1.1 5.2.1 5.4.5 5.5.3 5.7.0 5.7.1 5.7.24 5.7.25 5.7.26 5.7.27 5.7.28 5.7.29 5.7.30 5.7.40
552 5.2.2 5.2.3 5.3.4 5.7.0
553 5.1.2 5.1.3 5.1.7
554 5.4.6 5.6.0 5.7.0
555 5.5.2
"""


@pytest.mark.parametrize("line", DOCUMENTED.split("\n")[1:-1])
def test_every_documented_code_of_gmail_has_an_example(line: str) -> None:
    code, *statuses = line.split()
    seen = {
        example.reply.replace("-", " ", 1)[:3] + " " + example.reply[4:].split(" ")[0]
        for reading in CATALOGUE.readings
        if reading.provider == "google"
        for example in reading.examples
    }
    assert {f"{code} {status}" for status in statuses} <= seen


def test_the_number_that_only_the_page_prints_is_an_alias() -> None:
    host = "smtp.gmail.com[192.0.2.25]:587"
    for wire, printed in (("504 5.7.4", "504 5.7.40"), ("535 5.7.8", "535 5.7.80")):
        words = {
            "504": "Unrecognized Authentication Type",
            "535": "Username and Password not accepted",
        }
        readings = [
            CATALOGUE.read(heard(f"{code} {words[wire[:3]]}", Stage.AUTH), host)
            for code in (wire, printed)
        ]
        assert readings[0] is readings[1] is not None
    # 550 5.7.40 is about DMARC and not an alias of anything.
    found = CATALOGUE.read(
        heard("550 5.7.40 hm", Stage.FINAL), "aspmx.l.google.com[192.0.2.25]:25"
    )
    assert found is not None
    assert found.id == "google.dmarc-blocked"


def test_only_refusals_of_peers_are_read() -> None:
    assert CATALOGUE.read(heard("250 2.0.0 greylisted no more")) is None
    assert CATALOGUE.read(Answer(Stage.CONNECT, trouble=Trouble.TIMEOUT)) is None
    ours = Answer(Stage.RCPT, Reply(550, (1, 1), "user unknown"), ours=True)
    assert CATALOGUE.read(ours) is None


def test_a_status_means_a_providers_own_thing_only_where_the_provider_speaks() -> None:
    reply = heard("550 5.7.27 hm", Stage.FINAL)
    at_gmail = CATALOGUE.read(reply, "gmail-smtp-in.l.google.com[192.0.2.25]:25")
    elsewhere = CATALOGUE.read(reply, "mx.example.com[192.0.2.25]:25")
    lookalike = CATALOGUE.read(reply, "notgoogle.com[192.0.2.25]:25")
    assert at_gmail is not None
    assert at_gmail.id == "google.spf-blocked"
    assert elsewhere is lookalike
    assert elsewhere is not None
    assert elsewhere.id == "status.sender-null-mx"


def test_long_and_hostile_words_are_read_in_a_moment() -> None:
    longest = [
        "a" * 100_000,
        "greylist " * 12_000,
        "try again in " * 8_000,
        "client host " * 8_000,
    ]
    began = time.perf_counter()
    for words in longest:
        CATALOGUE.read(Answer(Stage.RCPT, Reply(450, (7, 1), words)))
    assert time.perf_counter() - began < 0.2


@given(st.integers(400, 599), st.text(max_size=200), st.sampled_from(Stage), st.text(max_size=30))
def test_any_reply_can_be_read(code: int, text: str, stage: Stage, remote: str) -> None:
    CATALOGUE.read(Answer(stage, parse_reply([f"{code} {text}"])), remote)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("", "id"),
        ('id = "x.y"\ncauses = 1', "nobody knows causes"),
        ('id = "x.y"', "match everything"),
        ('id = "x.y"\nphrases = ["ab"]', "too short"),
        ('id = "x.y"\nphrases = ["abcd..."]', "too short"),
        ('id = "x.y"\nenhanced = ["4.7"]', "no enhanced status"),
        ('id = "x.y"\ncodes = [450]\ncause = "bad luck"', "bad luck"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, fault: str) -> None:
    (tmp_path / "wrong.toml").write_text(
        f'source = "s"\ndate = "2026-01-01"\n[[entry]]\n{entry}\n'
    )
    with pytest.raises(BadEntry, match=fault):
        read_catalogue(tmp_path)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    entry = (
        '[[entry]]\nid = "x.y"\ncodes = [450]\ncause = "rate"\nwho = "wait"\n'
        'meaning = "m"\nfix = "f"\nexamples = ["450 x"]\n'
    )
    (tmp_path / "twice.toml").write_text(f'source = "s"\ndate = "2026-01-01"\n{entry}{entry}')
    with pytest.raises(BadEntry, match=r"x\.y"):
        read_catalogue(tmp_path)


@pytest.mark.parametrize(("reading", "example"), EXAMPLES)
def test_what_the_catalogue_says_is_what_happens(reading: Reading, example: Example) -> None:
    """Later is never failed, never is not tried again; and a host's illness is nobody's end."""
    patience = Patience(attempts=0, now=0.0, expires=432_000.0, schedule=(60.0,))
    outcome = judge(heard(example.reply, example.stage), patience, reading)
    assert outcome.slow_down == reading.slow_down
    if outcome.scope is Scope.HOST or reading.permanence is Permanence.LATER:
        assert outcome.state is State.DEFERRED
        assert outcome.due is not None
        assert 60 <= outcome.due <= 14_400
    elif reading.permanence is Permanence.NEVER or example.reply.startswith("5"):
        assert (outcome.state, outcome.due) == (State.FAILED, None)
    else:
        assert outcome.state is State.DEFERRED
    assert reading.meaning in outcome.why
    assert reading.fix in outcome.why
