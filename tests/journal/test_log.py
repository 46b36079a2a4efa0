"""The log: one line per fact, nothing a stranger sent gets through unescaped."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.core.entry import Accepted, Administered, Finding, Refused, Settled, SignedIn
from postwicket.core.queue_id import QueueId, spell
from postwicket.core.secret import Secret
from postwicket.journal.log import ATOMIC, LONGEST, Log, open_log

NOW = 1_893_499_200.5
ACCEPTED = Accepted(
    at=NOW,
    message=QueueId(123456789),
    account="ann@example.org",
    sender="ann@example.org",
    recipients=2,
    size=4096,
    peer="192.0.2.7",
    helo="client",
)


def collect(*, human: bool = False, level: str = "info") -> tuple[Log, list[bytes]]:
    written: list[bytes] = []
    return Log(written.append, human=human, level=level, clock=lambda: NOW), written


def test_an_entry_is_one_json_line() -> None:
    log, written = collect()
    log.entries([ACCEPTED])
    assert len(written) == 1
    assert json.loads(written[0]) == {
        "at": "2030-01-01T12:00:00.500Z",
        "level": "info",
        "event": "accepted",
        "message": spell(QueueId(123456789)),
        "account": "ann@example.org",
        "sender": "ann@example.org",
        "recipients": 2,
        "size": 4096,
        "peer": "192.0.2.7",
        "helo": "client",
    }


def test_a_batch_is_one_write_and_nothing_is_no_write() -> None:
    log, written = collect()
    log.entries([ACCEPTED] * 30)
    log.entries([])
    assert len(written) == 1
    assert written[0].count(b"\n") == 30


def test_what_went_wrong_is_a_warning_and_can_be_all_there_is() -> None:
    log, written = collect(level="warning")
    refused = Refused(at=NOW, stage="MAIL", rule="r", cause="sender", reply="553", why="w")
    finding = Finding(at=NOW, rule="r", cause="c", peer="p", listener="l", why="w", fix="f")
    failed = Settled(at=NOW, delivery=1, recipient="b@c.example", state="failed", seconds=0.25)
    fine = Settled(at=NOW, delivery=1, recipient="b@c.example", state="delivered")
    log.entries([ACCEPTED, refused, finding, failed, fine])
    lines = [json.loads(line) for line in written[0].splitlines()]
    assert [line["event"] for line in lines] == ["refused", "finding", "settled"]
    assert {line["level"] for line in lines} == {"warning"}
    assert lines[2]["seconds"] == 0.25
    log.entries([ACCEPTED])
    assert len(written) == 1


EVIL = "x\x1b[2J\r\nfake line\x7f\x9b\u202e\u2028\x85" + "y" * 1000


@pytest.mark.parametrize("human", [False, True])
def test_a_stranger_writes_no_second_line_and_no_terminal_sequence(human: bool) -> None:
    log, written = collect(human=human)
    log.entries([SignedIn(at=NOW, account=EVIL, credential="", mechanism="", peer=EVIL)])
    log.info(EVIL, peer=EVIL, list=[EVIL])
    for line in written:
        text = line.decode()
        assert text.count("\n") == 1
        assert text[:-1].isprintable()
        assert "y" * (LONGEST + 1) not in text


@given(st.text())
def test_any_text_survives_as_json(text: str) -> None:
    log, written = collect()
    log.entries([Administered(at=NOW, what="x", subject=text)])
    line = json.loads(written[0])
    assert line.get("subject", "") == (text if len(text) <= LONGEST else text[:LONGEST] + "...")


@given(st.text(alphabet=st.characters()))
def test_any_text_is_one_human_line(text: str) -> None:
    log, written = collect(human=True)
    log.entries([Administered(at=NOW, what=text, subject="\ud800")])
    assert written[0].decode().splitlines() == [written[0].decode()[:-1]]


def test_people_read_short_lines() -> None:
    log, written = collect(human=True)
    log.entries([ACCEPTED])
    text = written[0].decode()
    assert text.startswith("12:00:00")
    assert "accepted" in text
    assert "account=ann@example.org" in text


def test_operational_lines_carry_facts_and_hide_secrets() -> None:
    log, written = collect()
    log.warning("worker ended", slot=3, password=Secret("hunter2"), share=float("nan"))
    assert json.loads(written[0]) == {
        "at": "2030-01-01T12:00:00.500Z",
        "level": "warning",
        "event": "worker ended",
        "slot": 3,
        "password": "********",
        "share": None,
    }


@pytest.mark.parametrize("human", [False, True])
def test_an_exception_is_shown_with_its_place(human: bool) -> None:
    log, written = collect(human=human)
    try:
        raise ValueError("no\x1b good")  # noqa: TRY301 - there has to be one
    except ValueError:
        log.error("broken", exc_info=True)  # noqa: G201 - this is not the stdlib's logger
    text = written[0].decode()
    assert "ValueError" in text
    assert "test_log.py" in text
    assert "\x1b" not in text


def test_below_the_level_nothing_is_said() -> None:
    log, written = collect(level="error")
    log.info("a")
    log.warning("b")
    log.error("c")
    assert [json.loads(line)["event"] for line in written] == ["c"]


def test_libraries_speak_through_the_log() -> None:
    log, written = collect()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log.adopt_standard_logging()
        logging.getLogger("asyncio").error("task %s failed", "x")
        logging.getLogger("uvicorn").info("not this")
    finally:
        root.handlers, level = before[0], before[1]
        root.setLevel(level)
    assert [json.loads(line)["event"] for line in written] == ["task x failed"]


@pytest.fixture
def no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("no_colour")
@pytest.mark.parametrize(
    ("format", "json_expected"), [("auto", True), ("json", True), ("human", False)]
)
def test_off_a_terminal_lines_are_json(format: str, json_expected: bool) -> None:
    with tempfile.TemporaryFile() as file:
        open_log(format, descriptor=file.fileno(), clock=lambda: NOW).info("hello")
        file.seek(0)
        line = file.read()
    assert line.startswith(b"{") is json_expected
    assert b"\x1b" not in line


@pytest.mark.usefixtures("no_colour")
def test_on_a_terminal_lines_are_for_people_and_coloured() -> None:
    master, slave = os.openpty()
    try:
        open_log(descriptor=slave, clock=lambda: NOW).info("hello", port=587)
        shown = os.read(master, 1000).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert "\x1b[" in shown
    assert "hello" in shown


def test_a_pipe_gets_whole_lines_that_the_kernel_keeps_together() -> None:
    read, write = os.pipe()
    try:
        log = open_log("json", descriptor=write, clock=lambda: NOW)
        log.entries([ACCEPTED] * 100)
        data = os.read(read, 65536)
    finally:
        os.close(read)
        os.close(write)
    assert len(data) > ATOMIC
    assert [json.loads(line)["event"] for line in data.splitlines()] == ["accepted"] * 100


@pytest.mark.parametrize("break_it", [os.close, lambda _: None])
def test_a_broken_log_does_not_stop_the_mail(break_it: Callable[[int], None]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    log = open_log("json", descriptor=full)
    break_it(full)
    log.entries([ACCEPTED])
    log.info("still here")
    if break_it is not os.close:
        os.close(full)


def test_it_writes_to_standard_error_by_default(capfd: pytest.CaptureFixture[str]) -> None:
    open_log("json").info("hello")
    sys.stderr.flush()
    assert '"hello"' in capfd.readouterr().err
