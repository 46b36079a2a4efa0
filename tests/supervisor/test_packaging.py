"""What is delivered with the server fits the server."""

from __future__ import annotations

import re
from pathlib import Path

from postwicket.config import load
from postwicket.supervisor.run import DRAIN

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = (PACKAGING / "systemd" / "postwicket.service").read_text()


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_the_sample_configuration_is_one() -> None:
    settings = load(PACKAGING / "postwicket.toml", {})
    assert str(settings.data) == "/var/lib/postwicket"


def test_so_it_is_with_everything_that_is_commented_out(tmp_path: Path) -> None:
    text = (PACKAGING / "postwicket.toml").read_text()
    lines = [re.sub(r"^# (?=\[|\w+ +=)", "", line) for line in text.splitlines()]
    full = tmp_path / "full.toml"
    full.write_text("\n".join(lines))
    settings = load(full, {})
    assert settings.tls is not None
    assert settings.route[0].upstream == settings.upstream[0].name


def test_every_port_of_systemd_has_a_listener() -> None:
    text = (PACKAGING / "systemd" / "postwicket.socket").read_text()
    addresses = {one.address for one in load(PACKAGING / "postwicket.toml", {}).listener}
    assert set(values(text, "ListenStream")) <= addresses


def test_systemd_waits_longer_than_the_server_drains() -> None:
    assert int(values(UNIT, "TimeoutStopSec")[0]) > DRAIN
    assert values(UNIT, "ExecStart")[0].endswith(" serve --config /etc/postwicket/postwicket.toml")
    assert values(UNIT, "Type") == ["notify"]
