"""The options that PHP, cron, git and mail programs give."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postwicket.sendmail import arguments, status


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-t -i", {"from_header": True, "ignore_dots": True}),  # PHP
        ("-FCronDaemon -i -B8BITMIME -oem root", {"name": "CronDaemon", "body": "8BITMIME"}),
        ("-i a@example.org b@example.org", {"recipients": ("a@example.org", "b@example.org")}),
        ("-oi -f ann@example.org -- -odd@example.org", {"recipients": ("-odd@example.org",)}),
        ("-oem -oi -fann@example.org bob", {"sender": "ann@example.org", "ignore_dots": True}),
        ("-r ann@example.org bob", {"sender": "ann@example.org"}),
        ("-ti", {"from_header": True, "ignore_dots": True}),
        ("-N success,delay -R hdrs -V QQ314 x", {"notify": "SUCCESS,DELAY", "envid": "QQ314"}),
        ("-N never -R full x", {"notify": "NEVER", "ret": "FULL"}),
        ("-O DeliveryMode=b -O IgnoreDots=true -odb x", {"ignore_dots": True}),
        ("-bm x", {"mode": "m"}),
        ("-bp", {"mode": "p"}),
        ("-bi", {"mode": "i"}),
        ("-q", {"mode": "q"}),
        ("-q30m -v", {"mode": "q", "verbose": True}),
        ("--config a.toml -C b.toml", {"config": "b.toml"}),
        ("--config=a.toml x", {"config": "a.toml"}),
    ],
)
def test_what_programs_write(line: str, expected: dict[str, object]) -> None:
    found = arguments.read(line.split())
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-bs", "SMTP on standard input is not offered; connect to the server's port"),
        ("-bd", "postwicket serve"),
        ("-bv x", "not verified"),
        ("-by", "the option -by is unknown"),
        ("-Z", "the option -Z is unknown"),
        ("--verbose", "the option --verbose is unknown"),
        ("-f", "-f needs a value"),
        ("--config", "--config needs a file"),
        ("-N sometimes x", "write never, or some of"),
        ("-N never,delay x", "write never, or some of"),
        ("-R some x", "write FULL or HDRS"),
        ("-B 9BIT x", "write 7BIT or 8BITMIME"),
    ],
)
def test_what_is_refused_says_why(line: str, words: str) -> None:
    with pytest.raises(status.Failed) as error:
        arguments.read(line.split())
    assert words in str(error.value)
    assert error.value.status == 64


@given(st.lists(st.text(max_size=6) | st.sampled_from(["-f", "-t", "--", "-bs", "-o", "-N"])))
def test_any_words_are_arguments_or_a_usage_error(words: list[str]) -> None:
    with contextlib.suppress(status.Failed):
        arguments.read(words)
