"""The catalogue: every example is read as its own entry, and every documented code of Gmail is there."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.reply import Reply, parse_reply
from postwicket.diagnosis.catalogue import BadEntry, catalogue, read_catalogue
from postwicket.policy.reading import Example, Permanence, Reading, Who
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
