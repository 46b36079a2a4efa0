"""No listener lets strangers in, no upstream gives its password away."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from postwicket.config import ConfigError, Listener, Route, Upstream
from postwicket.config.presets import PRESETS
from postwicket.core.secret import Secret


def reason(error: pytest.ExceptionInfo[ValidationError]) -> str:
    return error.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "0.0.0.0:25", "tls": "none"},
        {"address": "192.0.2.1:25", "tls": "none"},
        {"address": "[::]:587", "account": "scanner@example.org"},
        {"address": "0.0.0.0:25", "tls": "none", "networks": ["0.0.0.0/0"]},
        {"address": "0.0.0.0:25", "tls": "none", "networks": ["10.0.0.0/8", "::/0"]},
        {"address": "0.0.0.0:587", "account": "a@example.org", "networks": ["64.0.0.0/2"]},
        {"address": "0.0.0.0:8025", "kind": "http"},
        {"address": "0.0.0.0:8025", "kind": "http", "networks": ["0.0.0.0/0"]},
    ],
)
def test_a_listener_that_lets_strangers_in_is_refused_with_the_reason(
    settings: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as error:
        Listener.model_validate(settings)
    assert "is refused, because" in reason(error)
    assert "; " in reason(error)


@pytest.mark.parametrize(
    "settings",
    [
        {"address": "127.0.0.1:25", "tls": "none"},
        {"address": "[::1]:25", "tls": "none", "account": "scanner@example.org"},
        {"address": "0.0.0.0:25", "tls": "none", "networks": ["10.1.0.0/16"]},
        {"address": "0.0.0.0:587", "account": "A@Example.org", "networks": ["192.0.2.7"]},
        {"address": "127.0.0.1:8025", "kind": "http"},
        {"address": "0.0.0.0:8025", "kind": "http", "networks": ["10.1.0.0/16"]},
    ],
)
def test_named_networks_and_loopback_are_allowed(settings: dict[str, object]) -> None:
    listener = Listener.model_validate(settings)
    assert listener.name == f"{listener.kind} {listener.address}"
    assert listener.account in {None, "scanner@example.org", "a@example.org"}


def test_an_http_listener_has_no_tls() -> None:
    assert Listener(address="127.0.0.1:0", kind="http").tls == "none"
    with pytest.raises(ValidationError, match="put a proxy with TLS in front"):
        Listener(address="127.0.0.1:0", kind="http", tls="implicit")


def test_an_inbound_listener_is_for_other_servers() -> None:
    assert Listener(address="0.0.0.0:25", kind="inbound").tls == "starttls"
    assert Listener(address="0.0.0.0:25", kind="inbound", tls="none").name == "inbound 0.0.0.0:25"
    with pytest.raises(ValidationError, match="for submission listeners"):
        Listener(address="0.0.0.0:25", kind="inbound", account="a@example.org")
    with pytest.raises(ValidationError, match="do not begin with TLS on port 25"):
        Listener(address="0.0.0.0:25", kind="inbound", tls="implicit")


def test_a_route_leads_somewhere() -> None:
    assert Route(via="direct", source_address="192.0.2.1").uncertain == "retry"
    assert Route(via="upstream:gmail").upstream == "gmail"
    assert Route(via="capture", recipients=("*@Example.COM",)).recipients == ("*@example.com",)
    with pytest.raises(ValidationError, match="did you mean 'discard'"):
        Route(via="discrad")
    with pytest.raises(ValidationError, match="leads nowhere"):
        Route(via="upstream:")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_in_what_is_known(preset: str) -> None:
    upstream = Upstream.model_validate(
        {"name": "up", "preset": preset, "username": "ann", "password": "geheim"}
    )
    assert (upstream.tls, upstream.port) in {("starttls", 587), ("implicit", 465)}
    assert upstream.auth == "plain"


def test_an_unknown_preset_is_guessed() -> None:
    with pytest.raises(ValidationError, match="did you mean 'gmail'"):
        Upstream.model_validate({"name": "up", "preset": "gmial"})


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("implicit", 465), ("none", 25)])
def test_the_port_follows_tls(tls: str, port: int) -> None:
    upstream = Upstream.model_validate({"name": "up", "host": "relay.example", "tls": tls})
    assert (upstream.port, upstream.auth, upstream.peer) == (port, "none", f"relay.example:{port}")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"username": "ann"}, "needs a username and a password"),
        ({"auth": "login"}, "needs a username and a password"),
        ({"username": "a", "password": "b", "tls": "none"}, "cross the network in clear"),
        ({"username": "a", "password": "b", "password_file": "c"}, "both given"),
        ({"name": "a b"}, "is not a name for an upstream"),
    ],
)
def test_an_upstream_is_consistent(settings: dict[str, object], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        Upstream.model_validate({"name": "up", "host": "relay.example", **settings})


def test_passwords_never_show() -> None:
    upstream = Upstream.model_validate(
        {"name": "up", "host": "relay.example", "username": "ann", "password": "geheim"}
    )
    assert upstream.secret() == Secret("geheim")
    assert "geheim" not in repr(upstream) + str(upstream) + repr(upstream.model_dump())
    with pytest.raises(ValidationError) as error:
        Upstream.model_validate({"name": "up", "password": ["geheim"]})
    assert "geheim" not in str(error.value)


def test_a_password_file_is_read_when_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    upstream = Upstream.model_validate(
        {"name": "up", "host": "relay.example", "username": "ann", "password_file": str(file)}
    )
    with pytest.raises(ConfigError, match=r"cannot read .*; check the path"):
        upstream.secret()
    file.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        upstream.secret()
    file.write_bytes(b"abcd efgh\r\n# a note\n")
    assert upstream.secret() == Secret("abcd efgh")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not text"):
        upstream.secret()
