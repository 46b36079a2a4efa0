"""MTA-STS records and policies: what counts, and that nothing else does any harm."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postwicket.trust.mta_sts import (
    LARGEST_POLICY,
    LONGEST_AGE,
    MOST_PATTERNS,
    Mode,
    PolicyInvalid,
    StsPolicy,
    allows,
    read_policy,
    read_record,
)

GOOD = b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n"


@pytest.mark.parametrize(
    ("texts", "id"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=STSv1 ; id = 1 ;"], "1"),
        (["v=STSv1; id=1; future=x"], "1"),
        (["v=STSv1; future=x; id=1"], "1"),
        (["v=spf1 -all", "v=STSv1; id=1"], "1"),
        ([], None),
        (["v=STSv1"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; id="], None),
        (["v=STSv1; id=with-dash"], None),
        (["v=STSv1; id=" + "a" * 33], None),
        (["v=STSv1; id=1; id=2"], None),
        (["v=STSv1; ; id=1"], None),
        (["v=STSv2; id=1"], None),
        (["V=STSv1; id=1"], None),
        ([" v=STSv1; id=1"], None),
        (["v=STSv1; id=1", "v=STSv1; id=1"], None),
        (["v=STSv1; id=\u0661"], None),
    ],
)
def test_the_record(texts: list[str], id: str | None) -> None:
    assert read_record(texts) == id


@pytest.mark.parametrize("content", [GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD.rstrip(b"\n")])
def test_a_policy(content: bytes) -> None:
    policy = read_policy(content)
    assert policy.mode is Mode.ENFORCE
    assert policy.mx == ("mail.example.com", "*.example.net")
    assert policy.max_age == 604_800
    assert policy.lines[1] == "mode: enforce"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b""),
        (b"mode: enforce", b"mode:enforce"),
        (b"mode: enforce", b"mode: enforce\nmode: none"),
        (b"mode: enforce", b"future: \xc3\xa4\nmode: enforce"),
        (b"max_age", b"\n\nmax_age"),
        (b"mail.example.com", b"Mail.Example.COM."),
        (b"*.example.net", b"*.example.net\nmx: mail.example.com"),
    ],
)
def test_what_means_the_same(old: bytes, new: bytes) -> None:
    policy = read_policy(GOOD.replace(old, new))
    assert (policy.mode, policy.mx, policy.max_age) == (
        Mode.ENFORCE,
        ("mail.example.com", "*.example.net"),
        604_800,
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD.replace(b"STSv1", b"STSv2"),
        GOOD.replace(b"version: STSv1\n", b""),
        GOOD.replace(b"enforce", b"Enforce"),
        GOOD.replace(b"mode: enforce\n", b""),
        GOOD.replace(b"604800", b"-1"),
        GOOD.replace(b"604800", b"a week"),
        GOOD.replace(b"604800", b"\xd9\xa1"),
        GOOD.replace(b"604800", b"12345678901"),
        GOOD.replace(b"max_age: 604800\n", b""),
        GOOD.replace(b"*.example.net", b"*"),
        GOOD.replace(b"*.example.net", b"*.*.example.net"),
        GOOD.replace(b"*.example.net", b"a*.example.net"),
        GOOD.replace(b"*.example.net", b""),
        GOOD.replace(b"*.example.net", b"mx..example.net"),
        GOOD.replace(b"*.example.net", b"m\xc3\xbcx.example.net"),
        GOOD.replace(b"*.example.net", b"a" * 64 + b".example.net"),
        b"version: STSv1\nmode: enforce\nmax_age: 1\n",
        GOOD + b"<html>",
        GOOD + b"\xff",
        GOOD + b"x: " + b"y" * LARGEST_POLICY,
        GOOD + b"".join(b"mx: m%d.example.org\n" % number for number in range(MOST_PATTERNS)),
    ],
)
def test_what_is_no_policy(content: bytes) -> None:
    with pytest.raises(PolicyInvalid):
        read_policy(content)


def test_none_needs_no_exchangers_and_nobody_is_kept_for_ever() -> None:
    policy = read_policy(b"version: STSv1\nmode: none\nmax_age: 9999999999\n")
    assert policy.mode is Mode.NONE
    assert policy.max_age == LONGEST_AGE


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        (".example.net", False),
        ("example.com", False),
        ("*.example.net", True),
        ("", False),
        ("net", False),
    ],
)
def test_which_exchangers_a_policy_names(name: str, allowed: bool) -> None:
    assert allows(read_policy(GOOD), name) is allowed


@given(st.binary(max_size=400))
@example(b"version: STSv1\r")
def test_any_bytes_are_a_policy_or_none(content: bytes) -> None:
    try:
        policy = read_policy(content)
    except PolicyInvalid:
        return
    assert isinstance(policy, StsPolicy)


@given(
    st.lists(st.sampled_from(GOOD.splitlines(keepends=True)), max_size=8), st.binary(max_size=8)
)
def test_any_mixture_of_lines_is_a_policy_or_none(lines: list[bytes], noise: bytes) -> None:
    try:
        policy = read_policy(b"".join(lines) + noise)
    except PolicyInvalid:
        return
    assert policy.max_age <= LONGEST_AGE
    assert policy.mx


@given(st.lists(st.text(max_size=60), max_size=3), st.text(max_size=60))
def test_any_texts_are_a_record_or_none(texts: list[str], rest: str) -> None:
    found = read_record([*texts, "v=STSv1;" + rest])
    assert found is None or found.isalnum()
