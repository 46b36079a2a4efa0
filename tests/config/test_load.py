"""From file and environment to settings, and the errors on the way."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postwicket.config import ConfigError, find_config, load, read
from postwicket.config.explain import explain

SMALL = """\
hostname = "mail.example.org"
data = "store"

[[upstream]]
name = "gmail"
preset = "gmail"
username = "you@gmail.com"
password = "wxyz wxyz wxyz wxyz"

[[route]]
recipients = ["*@example.com"]
via = "upstream:gmail"

[queue]
retry = ["1m", "5m", "2h"]
expire = "5d"
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "postwicket.toml"
    file.write_text(SMALL)
    return file


def problem(text: str, folder: Path) -> str:
    file = folder / "broken.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(file, {})
    return str(error.value).replace(str(file), "FILE")


def test_a_file_becomes_settings(small: Path) -> None:
    settings = load(small, {})
    assert settings.hostname == "mail.example.org"
    assert settings.data == small.parent / "store"
    assert settings.upstream[0].host == "smtp.gmail.com"
    assert settings.route[0].upstream == "gmail"
    assert settings.queue.retry == (60, 300, 7200)
    assert [(one.port, one.tls) for one in settings.listener] == [
        (587, "starttls"),
        (465, "implicit"),
    ]


def test_environment_over_file_over_default(small: Path) -> None:
    environ = {
        "POSTWICKET_QUEUE__EXPIRE": "1d",
        "POSTWICKET_QUEUE__RETRY": "30s, 1m",
        "POSTWICKET_UPSTREAM__0__PORT": "2525",
        "POSTWICKET_ROUTE__1__VIA": "capture",
        "POSTWICKET_LISTENER": json.dumps([{"address": "127.0.0.1:0"}]),
        "POSTWICKET_LIMITS": '{"messages_per_day": 5}',
        "POSTWICKET_CONFIG": "ignored here",
        "POSTWICKET_PORT_587_TCP_ADDR": "10.0.0.1",
        "POSTWICKET_SERVICE_HOST": "10.0.0.1",
        "PATH": "/bin",
    }
    settings = load(small, environ)
    assert settings.queue.expire == 86_400
    assert settings.queue.retry == (30, 60)
    assert (settings.upstream[0].host, settings.upstream[0].port) == ("smtp.gmail.com", 2525)
    assert [route.via for route in settings.route] == ["upstream:gmail", "capture"]
    assert [listener.port for listener in settings.listener] == [0]
    assert settings.limits.messages_per_day == 5
    assert settings.limits.recipients_per_day == 10_000


def test_the_environment_alone_is_enough() -> None:
    items = {f"POSTWICKET_HOST__{n}__NAME": f"mx{n}.example" for n in range(11)}
    items |= {f"POSTWICKET_HOST__{n}__ADDRESS": f"127.0.0.1:{2500 + n}" for n in range(11)}
    settings = load(None, {"POSTWICKET_HOSTNAME": "Mail.Example.ORG", **items})
    assert settings.hostname == "mail.example.org"
    assert [host.target for host in settings.host] == [("127.0.0.1", 2500 + n) for n in range(11)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "FILE: hostname: it is missing; add it (This server's full name"),
        ("hostnam = 'a.example'", "FILE: there is no setting 'hostnam'; did you mean 'hostname'?"),
        (
            "hostname = 'a.example'\n[queue]\nretries = ['1m']",
            "FILE: there is no setting 'queue.retries'; did you mean 'retry'?",
        ),
        (
            "hostname = 'a.example'\n[[upstream]]\nname='a'\nhost='b.example'\nprot=25",
            "FILE: there is no setting 'upstream[0].prot'; did you mean 'port'?",
        ),
        ("hostname = 'a.example'\n[queue]\nretry = ['x']", "FILE: queue.retry[0]: 'x' is not a"),
        ("hostname = 'a.example'\n[queue]\nretry = []", "FILE: queue.retry: "),
        ("hostname = 'a.example'\nlistener = 3", "FILE: listener: "),
        (
            "hostname = 'a.example'\n[[route]]\nvia = 'upstream:x'",
            "FILE: route[0].via: there is no",
        ),
        ("hostname = 'a.example'\ndatabase = 'postgresql://x'", "only SQLite exists yet"),
        ("hostname = 'a.example'\nworkers = 0", "FILE: workers: "),
        ("hostname = 'not a name'", "FILE: hostname: 'not a name' is not a domain name"),
        ("hostname = ", "FILE: it is not TOML: "),
    ],
)
def test_errors_name_place_key_and_cure(text: str, expected: str, tmp_path: Path) -> None:
    assert expected in problem(text, tmp_path)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = problem("hostnam = 'x'\n[queue]\nexpire = 'soon'\n", tmp_path)
    assert len(text.splitlines()) == 3


def test_two_upstreams_of_one_name(tmp_path: Path) -> None:
    one = "[[upstream]]\nname = 'a'\nhost = 'b.example'\n"
    assert "two upstreams are called 'a'" in problem(
        f"hostname = 'a.example'\n{one}{one}", tmp_path
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "missing.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"hostname = '\xe9'")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        load(tmp_path / "latin.toml", {})
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("POSTWICKET_HOSTNAM", "x", "there is no setting 'hostnam'; did you mean 'hostname'?"),
        ("POSTWICKET_QUEUE__EXPIR", "x", "'queue.expir'; did you mean 'expire'?"),
        ("POSTWICKET_QUEUE__EXPIRE__X", "x", "there is nothing below 'queue.expire'"),
        ("POSTWICKET_QUEUE", "x", "whole section"),
        ("POSTWICKET_ROUTE__7__VIA", "capture", "item 7 has no item before it; the next one is 1"),
        ("POSTWICKET_ROUTE__X", "capture", "there is nothing below 'route'"),
        ("POSTWICKET_LISTENER", "[{", "it is not JSON"),
        ("POSTWICKET_LISTENER", "127.0.0.1:25", "whole section"),
        ("POSTWICKET_QUEUE__EXPIRE", "soon", "POSTWICKET_QUEUE__EXPIRE: queue.expire: 'soon' is"),
    ],
)
def test_the_environment_is_as_strict_as_the_file(
    variable: str, value: str, expected: str, small: Path
) -> None:
    with pytest.raises(ConfigError) as error:
        load(small, {variable: value})
    assert expected in str(error.value)
    assert variable in str(error.value)


def test_secrets_never_show_in_errors(small: Path) -> None:
    small.write_text(SMALL.replace('name = "gmail"\npreset', 'name = ""\npreset'))
    with pytest.raises(ConfigError) as error:
        load(small, {})
    assert "wxyz" not in str(error.value)


def test_explain_tells_value_origin_and_documentation(small: Path) -> None:
    found = {
        one.key: one for one in explain(read(small, {"POSTWICKET_LIMITS__MESSAGE_SIZE": "25M"}))
    }
    assert found["hostname"].origin == str(small)
    assert found["limits.message_size"].origin == "POSTWICKET_LIMITS__MESSAGE_SIZE"
    assert found["limits.message_size"].value == 26_214_400
    assert found["limits.messages_per_day"].origin == "default"
    assert found["upstream[0].password"].value == "********"
    assert found["upstream[0].host"].origin == "default"
    assert found["upstream[0].host"].value == "smtp.gmail.com"
    assert found["listener[1].address"].value == "0.0.0.0:465"
    assert all(one.documentation for one in found.values())
    assert "wxyz" not in json.dumps([one.value for one in found.values()])


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(Path("x.toml"), {"POSTWICKET_CONFIG": "y.toml"}) == Path("x.toml")
    assert find_config(None, {"POSTWICKET_CONFIG": "y.toml"}) == Path("y.toml")
    (tmp_path / "postwicket.toml").touch()
    assert find_config(None, {}) == Path("postwicket.toml")


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_file_is_settings_or_a_config_error(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load(file, {})


NAMES = st.sampled_from(
    ["hostname", "data", "listener", "route", "queue", "retry", "0", "1", "via", "limits", "", "x"]
)


@given(st.lists(NAMES, max_size=4), st.text(max_size=30))
def test_any_variable_is_settings_or_a_config_error(parts: list[str], value: str) -> None:
    environ = {"POSTWICKET_HOSTNAME": "a.example", "POSTWICKET_" + "__".join(parts).upper(): value}
    with contextlib.suppress(ConfigError):
        load(None, environ)
